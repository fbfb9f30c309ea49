"""`vbmesh`: starts the mesh and its companions; a client of the services, never of their data."""
