"""The only room that knows SQL and DuckDB: files and staged log records in, rows out."""
