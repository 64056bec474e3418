"""Datasets beyond what MLflow 2.19 has: polars, errors, sources that are read again."""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import pandas
import polars
import pytest

import lakeflow
from lakeflow.data.numpy_dataset import NumpyDataset
from lakeflow.data.pandas_dataset import PandasDataset
from lakeflow.data.polars_dataset import PolarsDataset
from lakeflow.data.sources import CodeDatasetSource, HTTPDatasetSource
from lakeflow.exceptions import InvalidInputError, LakeflowException, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = {"i": [1, 2, None], "f": [0.5, 1.5, 2.5], "s": ["a", "b", "c"], "l": [[1], [], [2]]}


@pytest.fixture
def address() -> Iterator[str]:
    """Address of a web server that has one file, of which /short breaks off."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if self.path == "/none" else 200)
            self.send_header("Content-Length", "99" if self.path == "/short" else "3")
            self.end_headers()
            self.wfile.write(b"1,2")

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_frame_of_polars_has_columns_sizes_and_a_digest() -> None:
    frame = polars.DataFrame(COLUMNS)
    dataset = lakeflow.data.from_polars(frame, "/x", targets="i", predictions="f", name="n")
    assert isinstance(dataset, PolarsDataset)
    assert dataset.df is frame
    assert (dataset.targets, dataset.predictions, dataset.name) == ("i", "f", "n")
    assert dataset.profile == {"num_rows": 3, "num_elements": 12}
    assert dataset.schema == {
        "mlflow_colspec": [
            {"type": "long", "name": "i", "required": False},
            {"type": "double", "name": "f", "required": True},
            {"type": "string", "name": "s", "required": True},
            {"type": "array", "items": {"type": "long"}, "name": "l", "required": True},
        ]
    }
    assert dataset.digest == "ecae9aa6", "it is the same for ever"


def test_a_digest_of_polars_changes_with_the_content() -> None:
    def digest(columns: dict[str, list[object]]) -> str:
        return lakeflow.data.from_polars(polars.DataFrame(columns), "/x").digest

    digests = {
        digest(COLUMNS),
        digest({**COLUMNS, "i": [1, 2, 3]}),
        digest({**COLUMNS, "t": COLUMNS["s"]}),
        digest(dict(reversed(COLUMNS.items()))),
        digest({name: values[:2] for name, values in COLUMNS.items()}),
        digest({"a": [1] * 10_001}),
        digest({"a": [1] * 10_002}),
    }
    assert len(digests) == 7
    assert all(len(each) == 8 for each in digests)


def test_types_of_polars_are_mlflows_where_it_has_them() -> None:
    types = {
        polars.Int8: "integer",
        polars.UInt32: "long",
        polars.Float32: "float",
        polars.Date: "datetime",
        polars.Datetime("us", "UTC"): "datetime",
        polars.Boolean: "boolean",
        polars.Binary: "binary",
        polars.Categorical: "string",
        polars.Duration: "any",
        polars.Decimal(10, 2): "any",
    }
    frame = polars.DataFrame(schema={str(n): each for n, each in enumerate(types)})
    columns = lakeflow.data.from_polars(frame, "/x").schema["mlflow_colspec"]
    assert [each["type"] for each in columns] == list(types.values())
    nested = polars.DataFrame([{"a": {"x": 1, "y": ["b"]}}])
    (column,) = lakeflow.data.from_polars(nested, "/x").schema["mlflow_colspec"]
    assert column["properties"] == {
        "x": {"type": "long", "required": True},
        "y": {"type": "array", "items": {"type": "string"}, "required": True},
    }


def test_a_dataset_is_json_text() -> None:
    dataset = lakeflow.data.from_pandas(pandas.DataFrame({"x": [1]}), "/x")
    assert isinstance(dataset, PandasDataset)
    assert json.loads(dataset.to_json()) == dataset.to_dict()
    assert dataset.to_dict().keys() == {
        *("name", "digest", "source", "source_type", "schema", "profile")
    }
    assert dataset.name in repr(dataset)


def test_a_column_with_a_gap_of_any_kind_is_not_required() -> None:
    gaps = {
        "string": pandas.Series(["x", None], dtype="string"),
        "datetime": pandas.Series([pandas.Timestamp("2024-01-01"), pandas.NaT]),
        "long": pandas.Series([1, None], dtype="Int64"),
        "double": pandas.Series([1.0, None]),
    }
    schema = lakeflow.data.from_pandas(pandas.DataFrame(gaps), "/x").schema
    for column in schema["mlflow_colspec"]:
        assert column == {"type": column["name"], "name": column["name"], "required": False}


def test_a_column_may_be_called_by_a_time() -> None:
    frame = pandas.DataFrame([[1, 2]], columns=[pandas.Timestamp("2024-01-01"), ("a", 1)])
    schema = json.loads(lakeflow.data.from_pandas(frame, "/x").to_dict()["schema"] or "")
    names = [each["name"] for each in schema["mlflow_colspec"]]
    assert names == ["2024-01-01 00:00:00", ["a", 1]]


def test_what_is_no_frame_and_no_array_is_refused() -> None:
    frame = pandas.DataFrame({"x": [1]})
    for made in (
        lambda: lakeflow.data.from_pandas(polars.from_pandas(frame)),
        lambda: lakeflow.data.from_polars(frame),
        lambda: lakeflow.data.from_pandas(frame["x"]),
        lambda: lakeflow.data.from_numpy([1, 2]),
        lambda: lakeflow.data.from_numpy({"a": [1]}),
        lambda: lakeflow.data.from_numpy(numpy.zeros(1), targets=frame),
        lambda: lakeflow.data.from_numpy(numpy.zeros(1), source=5),
        lambda: lakeflow.data.from_polars(polars.from_pandas(frame), targets="nope"),
    ):
        with pytest.raises(InvalidInputError, match=r"not a|no dataset|'nope'"):
            made()


def test_numbers_have_a_digest_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lakeflow.data.from_numpy(numpy.arange(3))
    assert isinstance(whole, NumpyDataset)
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert lakeflow.data.from_numpy(numpy.arange(3)).digest == whole.digest
    texts = numpy.array(["a"])
    with pytest.raises(LakeflowException, match="digest=") as error:
        lakeflow.data.from_numpy(texts)
    assert error.value.error_code == "FEATURE_DISABLED"
    assert lakeflow.data.from_numpy(texts, digest="d").digest == "d"


def test_wide_numbers_have_a_digest_of_their_values() -> None:
    wide = [numpy.array([each], dtype="longdouble") for each in (1.5, 2.5)]
    digests = {lakeflow.data.from_numpy(each).digest for each in wide}
    assert len(digests) == 2
    assert lakeflow.data.from_numpy(numpy.array([1.5])).digest in digests


def test_a_source_is_read_again_from_the_run(uri: str) -> None:
    lakeflow.set_tracking_uri(uri)
    array = numpy.arange(3)
    given = ["/data/x.npy", "s3://b/x", "https://h/x", None]
    for number, source in enumerate(given):
        dataset = lakeflow.data.from_numpy(array, source, name=str(number))
        lakeflow.log_input(dataset)
        use = lakeflow.last_active_run().inputs.dataset_inputs[number]
        found = lakeflow.data.get_source(use)
        assert found == lakeflow.data.get_source(use.dataset) == dataset.source
        assert found == lakeflow.data.get_source(dataset)
    assert isinstance(found, CodeDatasetSource)
    assert found.tags == {
        key: value
        for key, value in lakeflow.last_active_run().data.tags.items()
        if key != "mlflow.runName"
    }
    with pytest.raises(NotImplementedError):
        found.load()


def test_a_source_that_cannot_be_made_again_says_so() -> None:
    for text in ("/data/x.csv", "[]", '{"url": "x"}'):
        dataset = lakeflow.entities.Dataset("n", "d", "local", text)
        with pytest.raises(InvalidInputError, match="'n'"):
            lakeflow.data.get_source(dataset)


def test_a_local_source_is_a_path_and_copied_on_demand(tmp_path: Path) -> None:
    file = tmp_path / "my data.csv"
    file.write_text("1,2")
    for text in (str(file), file, file.as_uri()):
        source = lakeflow.data.sources.resolve(text)
        assert source.load() == str(file)
        copy = source.load(str(tmp_path / "copies"))
        assert copy == str(tmp_path / "copies" / file.name)
        assert Path(copy).read_text() == "1,2"
    folder = lakeflow.data.sources.resolve(tmp_path / "copies").load(str(tmp_path / "more"))
    assert Path(folder, file.name).read_text() == "1,2"
    with pytest.raises(StorageError, match="nope"):
        lakeflow.data.sources.resolve("/nope").load(str(tmp_path))


def test_a_source_on_a_store_is_fetched(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri("memory://a-source-of-a-dataset")
    with lakeflow.start_run() as run:
        lakeflow.log_text("1,2", "x.csv")
    for uri in (f"{run.info.artifact_uri}/x.csv", f"runs:/{run.info.run_id}/x.csv"):
        source = lakeflow.data.sources.resolve(uri)
        assert Path(source.load()).read_text() == "1,2"
        assert source.load(str(tmp_path)) == str(tmp_path / "x.csv")


def test_a_page_is_downloaded_as_a_whole_or_not_at_all(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = HTTPDatasetSource(f"{address}/a/x.csv?v=1").load(str(tmp_path / "a"))
    assert path == str(tmp_path / "a" / "x.csv")
    assert Path(path).read_text() == "1,2"
    assert Path(HTTPDatasetSource(f"{address}/").load()).read_text() == "1,2"
    for page in ("/short", "/none"):
        with pytest.raises(StorageError, match=page):
            HTTPDatasetSource(address + page).load(str(tmp_path / "b"))
    assert list((tmp_path / "b").iterdir()) == []


def test_an_address_leads_out_of_no_folder(address: str, tmp_path: Path) -> None:
    for page in ("/..%2F..%2Fx", "/%2e%2e", "/..%5C..%5Cx"):
        path = HTTPDatasetSource(address + page).load(str(tmp_path / "a"))
        assert path.startswith(str(tmp_path / "a"))
        assert path.endswith(("/x", "/dataset_source"))
    with pytest.raises(InvalidInputError, match="passwd"):
        HTTPDatasetSource("file:///etc/passwd").load()
