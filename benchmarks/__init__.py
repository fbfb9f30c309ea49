"""What the mesh costs: ratios and limits measured in one run, never a timed test."""
