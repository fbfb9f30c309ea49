"""The platform's kill switch, as super-admins move it."""
