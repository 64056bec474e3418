"""The least that a fold can be: one statement of DuckDB from the log to sorted Parquet."""

from __future__ import annotations

import time
from pathlib import Path

import duckdb
from library import parse, report

POINTS = """
    COPY (
        SELECT experiment_id, run_id, unnest(metrics."key") AS "key",
               unnest(metrics.step) AS step, unnest(metrics."timestamp") AS "timestamp",
               unnest(metrics."value") AS "value", string_split(filename, '/')[-2] AS writer,
               seq, unnest(range(len(metrics."key"))) AS place
        FROM read_json('{log}', format = 'newline_delimited', filename = true, columns = {{
            seq: 'BIGINT', experiment_id: 'VARCHAR', run_id: 'VARCHAR',
            metrics: 'STRUCT("key" VARCHAR[], "value" DOUBLE[], "timestamp" BIGINT[],
                      step BIGINT[])'
        }})
        WHERE metrics IS NOT NULL
        ORDER BY experiment_id, run_id, "key", step, "timestamp", writer, seq, place
    ) TO '{target}' (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)
"""


def main() -> None:
    options = parse(memory_mib=2048)
    lake = Path(options.uri)
    target = lake.with_name("floor.parquet")
    spill = lake.with_name("floor-spill")
    config = {"memory_limit": f"{options.memory_mib}MiB", "temp_directory": str(spill)}
    connection = duckdb.connect(config=config)
    began = time.perf_counter()
    connection.execute(POINTS.format(log=lake / "log" / "*" / "*.jsonl", target=target))
    seconds = time.perf_counter() - began
    report({"seconds": seconds, "bytes": target.stat().st_size})


if __name__ == "__main__":
    main()
