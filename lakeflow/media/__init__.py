"""Values as files and files as values: documents, figures, images, tables. Knows no store."""
