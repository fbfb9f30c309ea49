"""Asking carriers with OPTIONS whether they are there; whoever keeps the carriers judges."""
