"""Audio files: WAV files that customers keep here, for their calls to play."""
