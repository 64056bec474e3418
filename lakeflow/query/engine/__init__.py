"""DuckDB over files and the log: statements, overlays, users' SQL."""
