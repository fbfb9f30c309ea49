"""What an answered call does: its flow's actions, one family a file."""
