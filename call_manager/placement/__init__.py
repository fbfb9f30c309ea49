"""Calls that a customer asks for: the wish, its temporary flow, and the calls it becomes."""
