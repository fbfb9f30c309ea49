"""Timelines: the events of flows and of running flows, for people to read."""
