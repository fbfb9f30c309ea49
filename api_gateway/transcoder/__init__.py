"""Serves the contracts over REST: one generic transcoder, no code per route."""
