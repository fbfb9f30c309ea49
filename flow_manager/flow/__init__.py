"""Flows: lists of actions that a customer keeps, or that a peer made for one purpose."""
