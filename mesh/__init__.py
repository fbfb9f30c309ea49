"""What every node of the mesh needs unchanged: time, settings, errors, identity, storage, traces.

The package knows no service and no resource. A name belongs here only if a fifth service would
need it exactly as it is.
"""
