"""Two users of one lake in a folder, each with an umask, and root: as real processes."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")

GROUP = 64_100


class User(NamedTuple):
    uid: int
    umask: int = 0o022


ANN, BOB, ROOT = User(64_001), User(64_002, 0o077), User(0, 0o077)

# Python itself may be where only root reads it, so root imports all of it before it becomes
# somebody: in a fork for each act, which also spares the time of importing.
SERVER = """
import contextlib, importlib, json, os, sys, tempfile, traceback
import lakeflow
for line in sys.stdin:
    act = json.loads(line)
    for name in act.get("modules", ()):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        continue
    out = os.open(act["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(out, 1), os.dup2(out, 2)
    os.umask(act["umask"])
    if act["uid"]:
        os.setgroups([]), os.setgid(act["gid"]), os.setuid(act["uid"])
    os.environ["LAKEFLOW_VACUUM_GRACE_S"] = "0"
    tempfile.tempdir = act["tmp"]
    try:
        lakeflow.set_tracking_uri(act["lake"])
        exec(act["code"], {"m": lakeflow, "lake": act["lake"]})
        code = 0
    except SystemExit as ending:
        code = ending.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)
"""
LOG = """
with m.start_run():
    m.log_metric("loss", 1.0)
m.MlflowClient(lake)._store.lake.close()
"""
COMPACT = "from lakeflow.cli import main; raise SystemExit(main(['compact', lake]))"
REHEARSE = """
import contextlib, io, logging, sys
from lakeflow.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    assert main(["compact", lake]) == 0
m.search_runs(output_format="list")
import grp, pwd, shlex
print(*sys.modules)
"""
modules: list[str] = []
COUNT = "print(len(m.search_runs(output_format='list')))"


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the process of root that becomes each user in turn."""
    global _server
    _server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with _server:
        rehearsal = tmp_path_factory.mktemp("rehearsal")
        (rehearsal / "tmp").mkdir()
        done = do(ROOT, rehearsal / "lake", LOG + REHEARSE)
        modules.extend(done.split())
        yield
        assert _server.stdin is not None
        _server.stdin.close()
        modules.clear()


def act(user: User, lake: Path, code: str) -> tuple[int, str]:
    """Return how an act of a user ended, and what it said."""
    assert _server.stdin is not None
    assert _server.stdout is not None
    said = lake.parent / "said"
    wanted = {
        "lake": str(lake),
        "code": code,
        "out": str(said),
        "tmp": str(lake.parent / "tmp"),
    }
    json.dump(user._asdict() | wanted | {"gid": GROUP, "modules": modules}, _server.stdin)
    print(file=_server.stdin, flush=True)
    return int(_server.stdout.readline()), said.read_text()


def do(user: User, lake: Path, code: str) -> str:
    ended, said = act(user, lake, code)
    assert ended == 0, said
    return said


def folder(mode: int, group: int = GROUP) -> Path:
    # pytest's own folders are closed to other users.
    place = Path(tempfile.mkdtemp(dir="/tmp"))
    place.chmod(0o755)
    (place / "tmp").mkdir()
    (place / "tmp").chmod(0o1777)
    lake = place / "lake"
    lake.mkdir()
    os.chown(lake, ANN.uid, group)
    lake.chmod(mode)
    return lake


@pytest.fixture
def shared() -> Iterator[Path]:
    lake = folder(0o770)
    yield lake
    shutil.rmtree(lake.parent)


@pytest.fixture
def private() -> Iterator[Path]:
    lake = folder(0o755)
    yield lake
    shutil.rmtree(lake.parent)


def made(lake: Path) -> Iterator[os.stat_result]:
    return (path.stat() for path in lake.rglob("*"))


def test_users_of_one_group_log_compact_and_clean_up_after_each_other(shared: Path) -> None:
    do(BOB, shared, LOG)
    do(ANN, shared, LOG)
    assert "deleted 3 log" in do(BOB, shared, COMPACT)
    do(BOB, shared, LOG)
    assert "deleted 1 log" in do(ANN, shared, COMPACT)
    assert do(ANN, shared, COUNT) == do(BOB, shared, COUNT) == "3\n"
    modes = {(stat.S_ISDIR(each.st_mode), stat.S_IMODE(each.st_mode)) for each in made(shared)}
    assert modes == {(True, 0o770), (False, 0o660)}


def test_what_root_does_in_a_lake_belongs_to_its_owner(private: Path) -> None:
    do(ROOT, private, LOG + COMPACT)
    assert {(each.st_uid, each.st_gid) for each in made(private)} == {(ANN.uid, GROUP)}
    do(ANN, private, LOG + COMPACT)
    assert do(BOB, private, COUNT) == "2\n"


def test_a_file_that_may_not_be_deleted_is_reported_and_the_rest_goes(private: Path) -> None:
    do(ANN, private, LOG)
    (first,) = (each for each in (private / "log").iterdir() if each.name != "control")
    os.chown(first, BOB.uid, GROUP)
    do(ANN, private, LOG)
    do(ANN, private, COMPACT)
    do(ANN, private, LOG)
    said = do(ANN, private, COMPACT)
    assert "not deleted: cannot delete log/" in said
    assert "Hint: " in said
    assert [each.name for each in (private / "log").iterdir()] == [first.name]


def test_who_may_not_read_is_told_whose_it_is_and_what_mends_it(private: Path) -> None:
    do(ANN, private, LOG)
    (writer,) = (each for each in (private / "log").iterdir() if each.name != "control")
    writer.chmod(0o700)
    _, refused = act(BOB, private, COUNT)
    assert (
        f"{writer} belongs to user {ANN.uid} and has mode 700; user {ANN.uid} or root can "
        f"mend that: chmod -R u=rwX,g=rX,o=rX {writer}" in refused
    )
    writer.chmod(0o755)
    _, not_shared = act(BOB, private, LOG)
    assert (
        f"{private / 'log'} belongs to user {ANN.uid} and has mode 755, as the lake has; to share"
        in (not_shared)
    )


def test_a_new_lake_says_who_may_use_it(shared: Path) -> None:
    said = do(
        ANN, shared, "import logging; logging.basicConfig(level='INFO'); m.set_experiment('e')"
    )
    assert f"of user {ANN.uid}, mode 770: the group {GROUP} may write" in said
