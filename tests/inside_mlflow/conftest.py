"""The same calls to MLflow's store over SQLite and to ours over a lake."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from inside_mlflow import choices
from inside_mlflow.served import over_lake, over_sqlite, wait_for
from servers import ceph

import lakeflow
from lakeflow import open_lakes
from lakeflow.ids import new_id
from lakeflow.mlflow.locations import lake_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from inside_mlflow.programs import Sides
    from inside_mlflow.served import Server

pytest.register_assert_rewrite("inside_mlflow.programs")

# What a program logs is there when its call returns.
os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"

# What a server refuses is refused at once, and not after minutes of trying again.
os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"

IS_2 = mlflow.__version__.startswith("2.")

# What only MLflow 3 has; its server is tested in the newest alone.
_OF_3 = (
    "assessments",
    "browser",
    "datasets",
    "importing_from_server",
    "lakes_in_trouble",
    "logged_models",
    "prompts",
    "reviews",
    "scorers",
    "server",
    "trace_analysis",
    "trace_searches",
    "trace_store",
    "traces",
)
collect_ignore = [f"test_{name}.py" for name in _OF_3] if IS_2 else ["test_traces_of_2.py"]


@pytest.fixture(autouse=True)
def no_open_lakes() -> Iterator[None]:
    """Close the lakes that a test has opened, before their servers are gone."""
    open_before = set(open_lakes._OPEN)
    yield
    for key in open_lakes._OPEN.keys() - open_before:
        open_lakes._OPEN[key].close()


@pytest.fixture(autouse=True)
def choices_taken_back() -> Iterator[None]:
    """Let no test find what another one has chosen for the process."""
    with choices.taken_back():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
    """Let no test find what a fixture has chosen that is there before it and after it."""
    if fixturedef.scope == "function":
        return (yield)
    with choices.taken_back():
        return (yield)


@dataclass
class Pair:
    """Two stores that are to answer alike.

    Attributes:
        lake: Ours.
        sqlite: MLflow's.
        uris: The URI of each.
    """

    lake: Any
    sqlite: Any
    uris: tuple[str, str]

    def __iter__(self) -> Iterator[Any]:
        return iter((self.lake, self.sqlite))

    def each(self, call: Callable[[Any], Any]) -> tuple[Any, Any]:
        """Return what a call returns on each; an error of MLflow's is its code."""
        return answer(self.lake, call), answer(self.sqlite, call)

    def both(self, call: Callable[[Any], Any]) -> Any:
        """Return what a call returns, which is the same on both."""
        ours, theirs = self.each(call)
        assert ours == theirs
        return ours


def answer(store: Any, call: Callable[[Any], Any]) -> Any:
    """Return what a call returns; of an error of MLflow's the code."""
    try:
        return call(store)
    except mlflow.exceptions.MlflowException as error:
        return error.error_code


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with MLflow's tables: making one takes many seconds."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path: Path = tmp_path_factory.mktemp("migrated") / "mlflow.db"
    SqlAlchemyStore(f"sqlite:///{path}", str(path.parent / "artifacts")).engine.dispose()
    return path


@pytest.fixture(scope="module")
def pair(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    from lakeflow.mlflow.tracking_store import TrackingStore

    folder = tmp_path_factory.mktemp("pair")
    shutil.copy(migrated, folder / "mlflow.db")
    uris = f"lakeflow://{folder}/lake", f"sqlite:///{folder}/mlflow.db"
    sqlite = SqlAlchemyStore(uris[1], str(folder / "artifacts"))
    yield Pair(TrackingStore(uris[0]), sqlite, uris)
    sqlite.engine.dispose()


@pytest.fixture
def sides(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sides:
    """Two new stores for whole programs."""
    from inside_mlflow.programs import Sides

    # The artifacts of SQLite's experiments are in the folder that the process is in.
    monkeypatch.chdir(tmp_path)
    return Sides(tmp_path, migrated)


@pytest.fixture(scope="session")
def gateway() -> Iterator[ceph.CephServer]:
    """A real S3 server."""
    with ceph.shared_gateway() as server:
        yield server


@pytest.fixture(scope="session")
def bucket(gateway: ceph.CephServer) -> Callable[[str], str]:
    """Returns locations in a bucket of a real server, and says how lakeflow comes there."""
    name = gateway.make_bucket(f"inside-{new_id()}")

    def location(path: str) -> str:
        found = f"s3://{name}/{path}"
        lakeflow.set_storage_options(found, gateway.storage_options)
        return found

    return location


@pytest.fixture(params=["disk", "memory", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The location of a lake that MLflow logs to."""
    location = {
        "disk": lambda: str(tmp_path / "my lake"),
        "memory": lambda: f"memory://{tmp_path.name}",
        "s3": lambda: request.getfixturevalue("bucket")(tmp_path.name),
    }[request.param]()
    mlflow.set_tracking_uri(lake_uri(location))
    return location


@pytest.fixture(scope="session")
def servers(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """MLflow's server over a lake and over SQLite; they start at once."""
    lake, sqlite = tmp_path_factory.mktemp("lake"), tmp_path_factory.mktemp("sqlite")
    shutil.copy(migrated, sqlite / "mlflow.db")
    with over_lake(lake, "--workers", "2") as ours, over_sqlite(sqlite) as theirs:
        yield [wait_for(ours), wait_for(theirs)]


@pytest.fixture(scope="session")
def lake_server(servers: list[Server]) -> Server:
    """MLflow's server over a lake."""
    return servers[0]


@pytest.fixture(scope="session")
def sqlite_server(servers: list[Server]) -> Server:
    """MLflow's server over SQLite."""
    return servers[1]
