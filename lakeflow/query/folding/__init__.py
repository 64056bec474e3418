"""The log into tables, in SQL that follows from the declarations of the kinds."""
