"""Access keys: credentials of programs."""
