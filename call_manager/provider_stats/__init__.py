"""How the calls through each carrier went, counted from the attempts that are stored."""
