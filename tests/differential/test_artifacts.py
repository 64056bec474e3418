"""Files beside runs have the names and contents that MLflow gives them."""

import pytest

INVALID = "INVALID_PARAMETER_VALUE"


@pytest.fixture
def run(both):
    """A run without anything."""
    return both("create_run", "0")


@pytest.fixture
def folder(tmp_path):
    """A folder with files, some of them below."""
    made = tmp_path / "given"
    (made / "deep").mkdir(parents=True)
    (made / "a.txt").write_text("a")
    (made / "deep" / "b").write_text("b")
    (made / ".hidden").write_text("h")
    (made / "empty").mkdir()
    return made


def test_a_text_is_a_file_at_its_path(both, run):
    for path in ("a.txt", "d/e/a.txt", "a/../b.txt", "./b", "\u00fc.txt", "a b"):
        both("log_text", run, f"n\u00e9e {path}\n", path)
    assert len(both("contents", run)) == 6


def test_a_dictionary_is_json_or_yaml_by_its_name(both, run):
    value = {"k": [1, 2.5, None, True], "n": {"\u00e9": "s"}, "": []}
    for name in ("a.json", "a.yml", "a.yaml", "a.txt", "a", "a.JSON", "a.YML", "d/a.json"):
        both("log_dict", run, value, name)
        both("log_dict", run, [1, float("inf")], f"list/{name}")
    both("contents", run)


def test_files_and_folders_keep_their_names(both, run, folder):
    both("log_artifact", run, str(folder / "a.txt"))
    both("log_artifact", run, str(folder / "a.txt"), "below/deeper")
    both("log_artifact", run, str(folder))
    both("log_artifact", run, str(folder), "below")
    both("log_artifacts", run, str(folder), "all")
    both("contents", run)
    for path in (None, "", "below", "below/deeper", "a.txt", "none"):
        both("list_artifacts", run, path)


def test_the_same_path_again_has_the_last_content(both, run, folder):
    both("log_artifacts", run, str(folder))
    (folder / "a.txt").write_text("changed")
    both("log_artifacts", run, str(folder))
    both("log_text", run, "last", "deep/b")
    assert both("contents", run)["deep/b"] == "last"


def test_a_folder_that_leads_elsewhere_is_refused(both, run, folder):
    for path in ("..", "../a", "/a", "a/../../b", "a//b", "./a", "a/"):
        for method, local in (("log_artifact", folder / "a.txt"), ("log_artifacts", folder)):
            theirs, ours = both.answers(method, run, str(local), path)
            # MLflow says INTERNAL_ERROR, which is what it says where it gives no code.
            assert "Invalid artifact path" in theirs["message"]
            assert "Invalid artifact path" in ours["message"]
            assert ours["error"] == INVALID


def test_a_deleted_run_takes_files(both, run):
    both("delete_run", run)
    both("log_text", run, "late", "late.txt")
    both("contents", run)


def test_runs_that_are_none(both, run, folder):
    del run
    unknown = "0" * 32
    both.refuse("RESOURCE_DOES_NOT_EXIST", "log_artifacts", unknown, str(folder))
    both.refuse("RESOURCE_DOES_NOT_EXIST", "list_artifacts", unknown)
