"""The commit that makes a Delta table: what it is called and described by, and its columns."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakeflow.schema import TableSpec


def first_commit(spec: TableSpec) -> bytes:
    """Return the commit that makes a table, without rows.

    It is a few lines of JSON. A new lake has dozens of tables, and deltalake takes several
    milliseconds to make each.
    """
    now_ms = time.time_ns() // 1_000_000
    fields = [
        {
            "name": column.name,
            "type": column.type,
            "nullable": column.nullable,
            "metadata": {"comment": column.comment},
        }
        for column in spec.columns
    ]
    table = {
        "id": str(uuid.uuid4()),
        "description": spec.comment,
        "format": {"provider": "parquet", "options": {}},
        "schemaString": json.dumps({"type": "struct", "fields": fields}),
        "partitionColumns": [],
        # Our vacuum deletes old commits; it knows how long they are needed.
        "configuration": {"delta.enableExpiredLogCleanup": "false"},
        "createdTime": now_ms,
    }
    actions = (
        {"commitInfo": {"timestamp": now_ms, "operation": "CREATE TABLE"}},
        # What every engine reads and writes: plain types, and no feature.
        {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
        {"metaData": table},
    )
    return "\n".join(map(json.dumps, actions)).encode()
