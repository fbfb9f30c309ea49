"""Activeflows: flows at work on a reference, and what each does next."""
