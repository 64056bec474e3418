"""PostgreSQL and MySQL: moving in from what MLflow has filled, and out to it."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from importing.killing import imported_whole, killed_on_the_way, rows
from inside_mlflow.test_exporting import content, lake, there  # noqa: F401 - a fixture
from inside_mlflow.test_importing import fill, shown
from servers import mariadb, postgresql

from lakeflow import LakeflowClient, cli
from lakeflow.exceptions import InvalidInputError, LakeflowException, StorageError
from lakeflow.importing import from_mlflow
from lakeflow.importing.sources.mlflow.database import DRIVERS
from lakeflow.mlflow.exporting import to_mlflow
from lakeflow.mlflow.importing import from_tracking

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module", params=[*DRIVERS])
def empty(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URI of a database, without a driver, as lakeflow takes it."""
    with contextlib.ExitStack() as stack:
        if request.param == "postgresql":
            yield stack.enter_context(postgresql.server())
        else:
            yield stack.enter_context(mariadb.server(tmp_path_factory.mktemp("mariadb")))


@pytest.fixture(scope="module")
def filled(empty: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URI of a database that MLflow has filled, and a run in it with everything."""
    with pytest.MonkeyPatch.context() as patches:
        # Artifacts are in the folder that the process is in.
        patches.chdir(tmp_path_factory.mktemp("artifacts"))
        yield empty, fill(with_driver(empty))


def with_driver(uri: str) -> str:
    """Return a URI as MLflow takes it: without a driver each SQLAlchemy means another one."""
    name = uri.partition(":")[0]
    return uri.replace(f"{name}:", f"{name}+{DRIVERS[name]}:", 1)


def test_a_database_that_is_none_of_mlflows_is_refused_and_stays_so(
    empty: str, tmp_path: Path
) -> None:
    engine = sqlalchemy.create_engine(with_driver(empty), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("CREATE DATABASE other"))
    engine.dispose()
    other = f"{empty.rpartition('/')[0]}/other"
    for uri in (other, with_driver(other)):
        with pytest.raises(InvalidInputError, match="no database of MLflow's"):
            from_mlflow(uri, str(tmp_path / "lake"))
    engine = sqlalchemy.create_engine(with_driver(other))
    assert sqlalchemy.inspect(engine).get_table_names() == []
    engine.dispose()


def test_what_mlflow_has_logged_is_in_the_lake(
    filled: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a fold makes of an import is the same wherever it is from.
    monkeypatch.setenv("LAKEFLOW_AUTO_COMPACT", "false")
    uri, run_id = filled
    slow, fast = str(tmp_path / "slow"), str(tmp_path / "fast")
    report = from_mlflow(uri, fast)
    assert report.is_complete, report.problems
    assert "secret" not in report.source
    assert from_tracking(with_driver(uri), slow).is_complete
    assert shown(fast) == shown(slow)
    client = LakeflowClient(fast)
    assert [each.path for each in client.list_artifacts(run_id, "a")] == ["a/ü.txt"]
    history = client.get_metric_history(run_id, "loss/ä")
    assert [repr(each.value) for each in history[:4]] == ["0.5", "nan", "inf", "-inf"]
    before = shown(fast)
    tried = from_mlflow(uri, fast, dry_run=True)
    assert tried.is_complete, "a lake that has all is told so"
    assert from_mlflow(uri, fast, since=2_000).tables["runs"].source.count == 1
    assert from_mlflow(uri, fast).is_complete
    assert shown(fast) == before


def test_imports_that_are_killed_on_the_way_bring_all_of_it_once(
    filled: tuple[str, str], tmp_path: Path
) -> None:
    whole = imported_whole(["mlflow", filled[0]], tmp_path / "whole")
    assert whole.status == 0
    assert len(killed_on_the_way(whole, tmp_path / "lake", more=2)) > 2
    assert rows(tmp_path / "lake", whole.asked) == whole.rows


def test_what_a_lake_holds_is_in_the_database(
    filled: tuple[str, str],
    lake: str,  # noqa: F811 - the fixture
    capsys: pytest.CaptureFixture[str],
) -> None:
    uri = with_driver(filled[0])
    assert cli.main(["export", "mlflow", uri, "--lake", lake]) == 0, capsys.readouterr()
    assert "secret" not in capsys.readouterr().out
    ours = content(LakeflowClient(lake))
    assert there(uri, lake) == ours
    again = to_mlflow(uri, tracking_uri=lake)
    assert (again.is_complete, +again.written) == (True, {})


def test_a_server_that_does_not_answer_is_a_plain_error_without_the_password(
    empty: str, tmp_path: Path
) -> None:
    away = re.sub(r":\d+/", ":9/", empty)
    with pytest.raises(StorageError, match="cannot read") as refused:
        from_mlflow(away, str(tmp_path / "lake"))
    assert "secret" not in str(refused.value)
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize("uri", ["mysql+mysqldb://a:secret@h/db", "postgresql+pg8000://h/db"])
def test_a_driver_that_is_missing_is_named(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(LakeflowException, match=r"MySQLdb|pg8000") as missing:
        from_mlflow(uri, str(tmp_path / "lake"))
    assert missing.value.error_code == "FEATURE_DISABLED"
    assert cli.main(["import", "mlflow", uri, "--lake", str(tmp_path / "lake")]) == 1
    said = capsys.readouterr().err
    assert f"pip install 'lakeflow[{uri.partition('+')[0]}]'" in said
    assert "secret" not in said
