"""Bounds of text: no search and no other engine prunes a file that holds what is asked for."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING

import deltalake
import polars
import pyarrow.dataset as dataset
import pytest

from lakeflow import LakeflowClient, compact
from lakeflow.open_lakes import open_lake
from lakeflow.query.folding.parquet import text_bounds

if TYPE_CHECKING:
    from pathlib import Path

LAST = chr(sys.maxunicode)
ODD = ["𠮷", LAST, "a\0b", "\uffff", "e\u0301", "\\ud842\\udfb7"]


@pytest.mark.parametrize("text", ODD, ids=ascii)
def test_every_engine_finds_a_text_after_a_fold(tmp_path: Path, text: str) -> None:
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    run_id = client.create_run("0", run_name=text).info.run_id
    client.log_param(run_id, "k", text)
    compact(uri)
    assert len(client.search_runs(["0"], f"params.k = '{text}'")) == 1
    assert len(client.search_runs(["0"], f"run_name = '{text}'")) == 1
    table = f"{uri}/tables/params"
    stored = deltalake.DeltaTable(table).to_pyarrow_dataset()
    assert stored.to_table(filter=dataset.field("value") == text).num_rows == 1
    assert polars.scan_delta(table).filter(polars.col("value") == text).collect().height == 1
    lake = open_lake(uri)
    (file,) = lake.fold().files["params"]
    assert tuple(file.bounds["value"]) == (text, text)


def test_a_key_beyond_the_first_plane_is_found_after_checkpoints_too(tmp_path: Path) -> None:
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    for _ in range(11):
        run_id = client.create_run("0").info.run_id
        client.log_metric(run_id, "𠮷", 1.0)
        client.log_param(run_id, "𠮷", "v")
        client.set_tag(run_id, "𠮷", "v")
        compact(uri)
    open_lake(uri).close()
    client = LakeflowClient(uri)
    for field in ("metrics.`𠮷` = 1", "params.`𠮷` = 'v'", "tags.`𠮷` = 'v'"):
        assert len(client.search_runs(["0"], field)) == 11
    assert len(client.get_metric_history(run_id, "𠮷")) == 1


def test_shortened_bounds_enclose_what_they_were_made_of() -> None:
    parts = ["a" * 63, "é" * 64, LAST * 64, LAST * 65, "𠮷" * 64, "e\u0301" * 40, "", "b", LAST]
    for text in map("".join, itertools.product(parts, repeat=2)):
        least, most = text_bounds(text, text)
        assert least <= text <= most
        assert least.encode() <= text.encode() <= most.encode()
        assert len(least) <= 64
