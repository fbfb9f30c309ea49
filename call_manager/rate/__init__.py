"""What calls cost, as super-admins set it."""
