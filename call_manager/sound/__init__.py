"""Where sounds come from: WAV files of customers and of the Web, as a telephone plays them."""
