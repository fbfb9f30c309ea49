"""Speech: a text becomes sound in a process of its own, so that no voice can end the calls."""
