"""Names of models go from one to another, and calls come from everywhere, with folds between."""

import json
import os
import subprocess
import sys
import threading

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.exceptions import NotFoundError

NAMES = "abc"
READS_ANEW = f"import runpy, sys; runpy.run_path({__file__!r}, run_name='reader')"


def told(client):
    """Return what is told of each name: one by one, and by searches."""
    found = {}
    for name in NAMES:
        try:
            model = client.get_registered_model(name)
        except NotFoundError:
            continue
        latest = [[each.name, each.version, each.source] for each in model.latest_versions]
        found[name] = [model.description, model.aliases, latest]
    models = client.search_registered_models()
    versions = client.search_model_versions(order_by=["name"])
    found["models"] = [[each.name, each.description] for each in models]
    found["versions"] = [[each.name, each.version, each.source] for each in versions]
    return found


def told_anew(uri):
    """Return the same as a new process tells it."""
    command = [sys.executable, "-c", READS_ANEW, uri]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def register(client, name, text):
    client.create_registered_model(name, description=text)
    made = client.create_model_version(name, f"/{text}")
    client.set_registered_model_alias(name, "champion", made.version)
    return made.version


@pytest.mark.parametrize("folds", [False, True])
def test_models_swap_their_names(tmp_path, folds):
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    register(client, "a", "first")
    register(client, "c", "second")
    for name, new_name in ("ab", "ca", "bc"):
        if folds:
            lakeflow.compact(uri)
        client.rename_registered_model(name, new_name)
    if folds:
        lakeflow.compact(uri)
    found = told(client)
    assert found["a"] == ["second", {"champion": 1}, [["a", 1, "/second"]]]
    assert found["c"] == ["first", {"champion": 1}, [["c", 1, "/first"]]]
    assert found["models"] == [["a", "second"], ["c", "first"]]
    assert "b" not in found
    assert told_anew(uri) == found


def test_a_name_is_used_again_across_folds(tmp_path):
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    register(client, "a", "first")
    client.set_registered_model_alias("a", "old", 1)
    lakeflow.compact(uri)
    client.delete_registered_model("a")
    lakeflow.compact(uri)
    assert register(client, "a", "second") == 1
    found = told(client)
    assert found["a"] == ["second", {"champion": 1}, [["a", 1, "/second"]]]
    lakeflow.compact(uri)
    assert told(client) == told_anew(uri) == found


def test_threads_and_a_fork_share_a_client(tmp_path):
    uri = str(tmp_path / "lake")
    client = LakeflowClient(uri)
    client.create_registered_model("a")

    def work(who):
        for _ in range(5):
            made = client.create_model_version("a", f"/{who}")
            client.set_registered_model_alias("a", who, made.version)

    threads = [threading.Thread(target=work, args=(f"thread{each}",)) for each in range(2)]
    child = os.fork()
    if not child:
        status = 1
        try:
            work("child")
            status = 0
        finally:
            os._exit(status)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _, status = os.waitpid(child, 0)
    assert status == 0
    versions = client.search_model_versions("name = 'a'", order_by=["version_number"])
    assert [each.version for each in versions] == list(range(1, 16))
    aliases = client.get_registered_model("a").aliases
    assert {versions[at - 1].source for at in aliases.values()} == {
        "/child",
        "/thread0",
        "/thread1",
    }
    assert told_anew(uri) == told(client)


if __name__ == "reader":
    sys.stdout.write(json.dumps(told(LakeflowClient(sys.argv[1]))))
