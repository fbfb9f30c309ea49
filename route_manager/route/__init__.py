"""Routes, and the dialroutes that are made of them when a call asks where to go."""
