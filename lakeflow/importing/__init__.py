"""Moving in: what other trackers, or files, hold of experiments becomes rows of a lake."""
