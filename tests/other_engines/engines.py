"""Counts rows of a lake's tables under filters, by engines that know nothing of lakeflow."""

import json
import os
import sys
from pathlib import Path

import daft
import datafusion
import deltalake
import duckdb
import polars
import pyarrow.compute

PUSHDOWN = datafusion.SessionConfig(
    {
        "datafusion.execution.parquet.pushdown_filters": "true",
        "datafusion.execution.parquet.reorder_filters": "true",
    }
)


def by_daft(table, column, value):
    """Count with Daft."""
    return len(daft.read_deltalake(table.table_uri).where(daft.col(column) == value).collect())


def by_datafusion(table, column, value):
    """Count with DataFusion, which skips what the filter does not ask for."""
    context = datafusion.SessionContext(PUSHDOWN)
    context.register_parquet("files", table.table_uri)
    where = datafusion.col(f'"{column}"') == datafusion.lit(value)
    return sum(batch.num_rows for batch in context.table("files").filter(where).collect())


def by_deltalake(table, column, value):
    """Count with the DataFusion inside deltalake."""
    literal = "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)
    query = deltalake.QueryBuilder().register("rows", table)
    found = query.execute(f'SELECT * FROM rows WHERE "{column}" = {literal}')
    return sum(batch.num_rows for batch in found)


def by_duckdb(table, column, value):
    """Count with DuckDB."""
    statement = f'SELECT count(*) FROM read_parquet($files) WHERE "{column}" = $value'
    values = {"files": table.file_uris(), "value": value}
    return duckdb.execute(statement, values).fetchone()[0]


def by_polars(table, column, value):
    """Count with polars."""
    frame = polars.scan_delta(table.table_uri)
    return frame.filter(polars.col(column) == value).collect().height


def by_pyarrow(table, column, value):
    """Count with a dataset of pyarrow."""
    where = pyarrow.compute.field(column) == value
    return table.to_pyarrow_dataset().to_table(filter=where).num_rows


def main(lake):
    """Print what each engine counts for each filter on standard input."""
    asked = json.load(sys.stdin)
    tables = {name: deltalake.DeltaTable(lake / "tables" / name) for name, _, _ in asked}
    engines = (by_daft, by_datafusion, by_deltalake, by_duckdb, by_polars, by_pyarrow)
    found = {
        count.__name__: [count(tables[name], column, value) for name, column, value in asked]
        for count in engines
    }
    json.dump(found, sys.stdout)
    sys.stdout.flush()
    # At the end of the interpreter one of them aborts now and then, for a thread that goes on.
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
