"""Owns calls and their attempts: which may be placed, how each is dialled, what became of it.

It refuses metadata keys its registry does not know, and dials nothing that no committed row
stands for.
"""
