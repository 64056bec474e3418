"""Traces: log, read, search, delete; what is said of them."""
