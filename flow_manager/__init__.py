"""Flows, and what a running one does next.

Owns the flows that customers write, the temporary flows that peers make for one purpose, and the
running flows (activeflows). It decides what comes next and never does it: who asks, acts.
"""
