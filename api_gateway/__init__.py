"""The one public door: finds out who is calling, and turns REST into the mesh's RPCs.

It owns customers and agents. It knows no endpoint: paths, permissions and shapes are read from
the contracts.
"""
