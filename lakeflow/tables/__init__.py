"""Delta tables and folds: commits, what a fold left behind, block files by key."""
