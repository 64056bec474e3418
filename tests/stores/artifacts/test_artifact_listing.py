"""What a listing of artifacts says of what is no folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lakeflow
from lakeflow.entities import FileInfo

if TYPE_CHECKING:
    from lakeflow import LakeflowClient


def test_there_is_nothing_in_a_file(client: LakeflowClient, run_id: str) -> None:
    client.log_text(run_id, "x", "a/file")
    assert client.list_artifacts(run_id, "a") == [FileInfo("a/file", False, 1)]
    assert client.list_artifacts(run_id, "a/file") == []
    assert client.list_artifacts(run_id, "a/none") == []
    uri = f"{client.get_run(run_id).info.artifact_uri}/a/file"
    assert lakeflow.artifacts.list_artifacts(uri, tracking_uri=client.tracking_uri) == []
