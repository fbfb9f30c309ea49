"""Carriers' own APIs: setting up a SIP trunk there together with its provider, and removing it."""
