"""MLflow's stores: folders of its file store, and SQLite databases, read without MLflow."""
