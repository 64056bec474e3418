"""``lakeflow compat``: what it prints, and its status."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lakeflow import cli

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = """
import mlflow

mlflow.set_experiment("digits")
with mlflow.start_run():
    mlflow.log_metric("loss", 0.5)
"""
TRAINING = """
import lakeflow as mlflow
import mlflow.sklearn
from sklearn.linear_model import LinearRegression

with mlflow.start_run():
    model = LinearRegression()
    mlflow.log_metric("loss", 0.5)
    mlflow.sklearn.log_model(model, "model")
    mlflow.sklearn.log_model(model, "again")
"""
CHECKED = """
import mlflow

assert mlflow.__version__ >= "2.0"
"""


def test_a_folder_is_reported_by_line_file_and_door(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checked.py").write_text(CHECKED)
    (tmp_path / "new.py").write_text(PLAIN.replace("mlflow", "lakeflow as mlflow", 1))
    (tmp_path / "plain.py").write_text(PLAIN)
    (tmp_path / "training.py").write_text(TRAINING)
    (tmp_path / "broken.py").write_text("import mlflow\n)")
    assert cli.main(["compat", "."]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("broken.py:2: cannot be read: unmatched ')'")
    assert lines[1].startswith("checked.py:4: `mlflow.__version__` is compared")
    assert lines[2:5] == [
        "checked.py: => `import lakeflow as mlflow`, and mend the lines above",
        "new.py: => runs as it is",
        "plain.py: => `import lakeflow as mlflow` is enough",
    ]
    assert lines[5].startswith("training.py:3: `import mlflow.sklearn` makes `mlflow`")
    assert lines[6:15] == [
        "training.py:9: `mlflow.sklearn.log_model` stays MLflow's (also 10)",
        "training.py: => `import mlflow`, with a lakeflow URI",
        "",
        "      5  with mlflow or lakeflow",
        "      2  `import lakeflow as mlflow` is enough",
        "      1  `import lakeflow as mlflow`, and lines to mend",
        "      1  `import mlflow`, with a lakeflow URI",
        "      1  not read to the end",
        "not in lakeflow, by number of files:",
    ]
    assert lines[15:-1] == ["      1  mlflow.sklearn"]
    assert lines[-1].startswith("Hint: ")


@pytest.mark.parametrize("content", [PLAIN, "import numpy\n", ""])
def test_the_status_is_0_where_a_changed_import_is_enough(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.py").write_text(content)
    assert cli.main(["compat", str(tmp_path)]) == 0


@pytest.mark.parametrize("content", [TRAINING, CHECKED, "import mlflow\n("])
def test_the_status_is_1_where_it_is_not(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.py").write_text(content)
    assert cli.main(["compat", str(tmp_path), "--json"]) == 1


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["a\0b"]])
def test_the_status_is_2_where_there_is_nothing_to_read(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["compat", *arguments])
    assert caught.value.code == 2


def test_json_has_places_and_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "training.py"
    script.write_text(TRAINING)
    cli.main(["compat", str(script), "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["counts"] == {"files": 1, "lakeflow": 0, "mend": 0, "mlflow": 1, "unread": 0}
    assert answer["absent"] == {"mlflow.sklearn": 1}
    (file,) = answer["files"]
    assert (file["path"], file["door"]) == (str(script), "mlflow")
    assert [(each["kind"], each["name"], each["places"]) for each in file["findings"]] == [
        ("real", "mlflow.sklearn", ["3"]),
        ("model", "mlflow.sklearn.log_model", ["9", "10"]),
    ]


def test_names_of_strangers_do_not_act_on_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a\x1b[31m\n.py").write_text(PLAIN + "mlflow.ﬁt\u0435\n")
    assert cli.main(["compat", str(tmp_path)]) == 1
    assert "\x1b" not in capsys.readouterr().out


def test_nothing_that_is_read_is_run(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(f"import mlflow\nopen({str(tmp_path / 'b')!r}, 'w')\n")
    cli.main(["compat", str(tmp_path)])
    assert not (tmp_path / "b").exists()
