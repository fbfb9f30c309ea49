"""Providers: the SIP carriers that calls are handed to."""
