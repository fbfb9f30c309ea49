"""Customers: who pays, and whose everything is."""
