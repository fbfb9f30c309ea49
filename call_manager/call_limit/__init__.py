"""How much a customer may call, as super-admins set it."""
