"""Several destinations called as one: in which order they ring, and what one answer does."""
