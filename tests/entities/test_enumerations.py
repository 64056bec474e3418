"""Names and numbers of the enumerations are MLflow's, and lead to each other."""

from __future__ import annotations

from typing import Any

import pytest

from lakeflow.entities import RunStatus, SourceType, ViewType
from lakeflow.exceptions import InvalidInputError

NUMBERS = [
    (RunStatus, ["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]),
    (SourceType, ["NOTEBOOK", "JOB", "PROJECT", "LOCAL", "UNKNOWN", "RECIPE"]),
    (ViewType, ["active_only", "deleted_only", "all"]),
]


@pytest.mark.parametrize(("kind", "names"), NUMBERS)
def test_a_name_has_the_number_of_mlflow(kind: Any, names: list[str]) -> None:
    for number, name in enumerate(names, 1):
        assert kind.from_string(name) == getattr(kind, name.upper()) == number
        assert kind.to_string(number) == name


@pytest.mark.parametrize("kind", [kind for kind, _ in NUMBERS])
def test_what_is_no_name_and_no_number_is_refused(kind: Any) -> None:
    with pytest.raises(InvalidInputError, match="nope"):
        kind.from_string("nope")
    with pytest.raises(InvalidInputError, match="99"):
        kind.to_string(99)
