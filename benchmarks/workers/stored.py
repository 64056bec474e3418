"""Says what a lake's tables hold: files, rows and bytes of their newest versions."""

from __future__ import annotations

from pathlib import Path

from deltalake import DeltaTable
from library import parse, report


def main() -> None:
    lake = Path(parse().uri)
    found = {}
    for folder in sorted((lake / "tables").iterdir()):
        files = DeltaTable(str(folder)).get_add_actions()
        found[folder.name] = {
            "files": files.num_rows,
            "rows": sum(files["num_records"].to_pylist()),
            "bytes": sum(files["size_bytes"].to_pylist()),
        }
    report(found)


if __name__ == "__main__":
    main()
