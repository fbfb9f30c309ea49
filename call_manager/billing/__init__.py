"""Who pays for calls, what they cost, and how many a customer may have; all in one transaction."""
