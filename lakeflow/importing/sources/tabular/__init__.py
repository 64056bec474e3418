"""Tables that people have logged to by hand: CSV, JSON lines, Parquet."""
