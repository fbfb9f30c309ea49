"""Customers, their agents, and the tokens agents sign in with."""
