"""What a customer set for its outgoing calls."""
