"""Whether providers are there: asked regularly, judged by thresholds, kept as a history."""
