"""Logged models: make, change, measure, read, search; their files."""
