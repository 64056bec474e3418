"""Names that lakeflow leaves to MLflow: one error that shows the other door."""

from __future__ import annotations

import pytest

import lakeflow
from lakeflow.exceptions import NotHereError
from lakeflow.mlflows_own import MLFLOWS_OWN


@pytest.mark.parametrize("name", ["sklearn", "pytorch", "pyfunc", "models", "autolog"])
def test_a_flavour_shows_the_other_door(name: str) -> None:
    with pytest.raises(NotHereError) as caught:
        getattr(lakeflow, name)
    assert f"lakeflow.{name} is not here" in str(caught.value)
    assert 'mlflow.set_tracking_uri("lakeflow:///' in str(caught.value)
    assert caught.value.error_code == "NOT_IMPLEMENTED"


def test_nothing_is_both_here_and_elsewhere() -> None:
    assert not [name for name in MLFLOWS_OWN if hasattr(lakeflow, name)]


def test_any_other_name_is_missing_as_of_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'lakeflow' has no attribute 'log_metrik'"):
        lakeflow.log_metrik  # noqa: B018


def test_an_import_of_a_flavour_names_it() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"lakeflow\.sklearn"):
        import lakeflow.sklearn  # type: ignore[import-not-found]  # noqa: F401
