"""Flows, and what a running one does next.

Owns the flows that customers write, the temporary flows that peers make for one purpose, and the
running flows (activeflows). A call asks what comes next, and does it; what runs without a call is
done here.
"""
