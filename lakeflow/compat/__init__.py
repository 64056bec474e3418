"""What scripts that were written for MLflow need, read from their text.

files      folders to sources: what is read, what is passed over, the cells of notebooks
scripts    one source to its findings, by its syntax tree: nothing of it is run
names      what lakeflow has, asked of lakeflow itself
"""
