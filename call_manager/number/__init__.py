"""The customers' own numbers, which a call may show as its source."""
