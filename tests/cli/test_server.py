"""``lakeflow server`` and ``lakeflow ui`` where MLflow is not installed: what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lakeflow import cli
from lakeflow.cli.server import divided

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("command", ["server", "ui"])
def test_without_mlflow_the_error_says_what_to_install(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([command, str(tmp_path / "lake")]) == 1
    assert capsys.readouterr().err == (
        "lakeflow: INVALID_PARAMETER_VALUE: MLflow's server takes mlflow, which is not "
        "installed\nHint: pip install 'lakeflow[mlflow]'\n"
    )
    assert not (tmp_path / "lake").exists()


@pytest.mark.parametrize(
    "options", [["--port", "x"], ["--port", "65536"], ["--workers", "0"], ["--dev"]]
)
def test_an_option_that_makes_no_sense_is_refused(options: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["server", *options])
    assert ended.value.code == 2


def test_only_what_follows_two_dashes_is_for_mlflow() -> None:
    assert divided(["ui", "lake", "--", "--dev", "--"]) == (["ui", "lake"], ["--dev", "--"])
    assert divided(["sql", "--", "SELECT 1"]) == (["sql", "--", "SELECT 1"], [])
    assert divided([]) == ([], [])
