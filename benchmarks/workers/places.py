"""Says what is where in a lake: experiments, some of the runs, and files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from library import parse, report


def main() -> None:
    options = parse(sample=50)
    tables = {
        folder.name: DeltaTable(str(folder))
        for folder in sorted(Path(options.uri, "tables").iterdir())
    }
    experiments = column(tables["experiments"], "experiment_id")
    runs = column(tables["runs"], "run_id")
    report(
        {
            "experiments": experiments,
            "runs": runs[:: max(1, len(runs) // options.sample)][: options.sample],
            "files": {name: table.file_uris() for name, table in tables.items()},
            "documents": documents(Path(options.uri)),
        }
    )


def documents(lake: Path) -> list[list[Any]]:
    """Return the files with the documents of runs, as the newest fold names them."""
    newest = max(Path(lake, "folds").glob("*.done.json"))
    listed = json.loads(newest.read_text())["indexes"].get("run", [])
    return [[str(Path(lake, "index", "run", name)), *rest] for name, *rest in listed]


def column(table: DeltaTable, name: str) -> list[str]:
    values: list[str] = table.to_pyarrow_table(columns=[name])[name].to_pylist()
    return sorted(values)


if __name__ == "__main__":
    main()
    # deltalake's threads abort some processes on their way out, with the answer given.
    os._exit(0)
