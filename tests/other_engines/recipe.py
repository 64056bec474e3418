"""Carries out the delta recipe of sql/README.md in a DuckDB that knows nothing of lakeflow."""

import json
import re
import sys
from pathlib import Path

BLOCK = re.compile(r"```sql\n(INSTALL delta;.*?)```", re.DOTALL)


def main(lake, sql):
    """Print the rows of every view as JSON."""
    import duckdb
    import duckdb_extension_delta

    (extension,) = Path(duckdb_extension_delta.__file__).parent.rglob("*.duckdb_extension")
    (recipe,) = BLOCK.findall((sql / "README.md").read_text())
    connection = duckdb.connect()
    for line in recipe.replace("/data/lake", lake).splitlines():
        if line == "INSTALL delta;":
            connection.execute(f"INSTALL '{extension}'")
        elif line.startswith(".read "):
            connection.execute((sql / line.removeprefix(".read ")).read_text())
        else:
            connection.execute(line)
    found = {}
    for path in sorted((sql / "views").iterdir()):
        rows = connection.execute(f"FROM {path.stem}")
        names = [column[0] for column in rows.description]
        found[path.stem] = [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
