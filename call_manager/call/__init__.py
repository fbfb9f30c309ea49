"""Calls: their creation, their state, and what ends them. Dialling them is `dialer`'s part."""
