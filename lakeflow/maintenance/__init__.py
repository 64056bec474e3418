"""Work on a whole lake: fold the log into the tables, delete what nothing refers to."""
