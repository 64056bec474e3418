"""Errors: MLflow's shape, and what people already catch."""

from __future__ import annotations

import json
import pickle

import pytest

from lakeflow import exceptions
from lakeflow.exceptions import LakeflowException, MlflowException

KINDS = {
    kind
    for kind in vars(exceptions).values()
    if isinstance(kind, type) and issubclass(kind, LakeflowException)
}


def test_mlflows_name_is_the_same_class() -> None:
    assert MlflowException is LakeflowException
    error = MlflowException("it broke")
    assert (error.error_code, error.get_http_status_code()) == ("INTERNAL_ERROR", 500)
    assert json.loads(error.serialize_as_json()) == {
        "error_code": "INTERNAL_ERROR",
        "message": "it broke",
    }


@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda kind: kind.__name__))
def test_every_kind_has_message_code_and_hint(kind: type[LakeflowException]) -> None:
    error = kind("no 'x'", hint="do y", detail=3)
    assert str(error) == error.message == "no 'x'\nHint: do y"
    assert error.error_code == kind.default_code
    assert json.loads(error.serialize_as_json())["detail"] == 3


@pytest.mark.parametrize("kind", sorted(KINDS, key=lambda kind: kind.__name__))
def test_every_kind_passes_between_processes(kind: type[LakeflowException]) -> None:
    error = kind("no 'x'", "ABORTED", hint="do y", detail=3)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.message, again.error_code) == (error.message, "ABORTED")
    assert again.json_kwargs == {"detail": 3}


def test_errors_are_what_people_already_catch() -> None:
    assert issubclass(exceptions.InvalidInputError, ValueError)
    assert issubclass(exceptions.NotFoundError, LookupError)
    assert issubclass(exceptions.StorageError, OSError)
    bad = LakeflowException.invalid_parameter_value("bad")
    assert (bad.error_code, bad.get_http_status_code()) == ("INVALID_PARAMETER_VALUE", 400)
