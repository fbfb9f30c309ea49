"""What customers and super-admins see of money, and how it gets there."""
