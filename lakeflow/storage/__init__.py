"""The only room that knows bytes and commits: files, log, Delta tables, folds, the lake."""
