"""Trackio's databases, and its Parquet."""
