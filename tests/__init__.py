"""The tests, and the test support they share."""
