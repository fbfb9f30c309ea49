"""Agents: the people who sign in."""
