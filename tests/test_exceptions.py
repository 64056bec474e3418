"""Errors: MLflow's shape, and what people already catch."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest

from lakeflow import exceptions
from lakeflow.exceptions import (
    LakeflowException,
    MlflowException,
    RestException,
    StorageError,
)
from lakeflow.filesystem.retry import retry_until_deadline
from lakeflow.protos import databricks_pb2
from lakeflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

if TYPE_CHECKING:
    from lakeflow import LakeflowClient

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


@pytest.mark.parametrize(
    "url",
    [
        "sftp://kim:secret@host/lake",
        "sftp://kim:se@secret@host/lake",
        "mysql://kim:se/secret@host/db",
        "https://host/a.csv?AWSAccessKeyId=secret&v=1&Signature=secret",
        "https://host/a.csv?sig=secret",
    ],
)
def test_no_error_tells_a_secret(url: str) -> None:
    error = StorageError(f"cannot read {url!r} of kim@host", hint=f"look at {url}")
    assert "secret" not in str(error)
    assert "//host" in str(error).replace("***@", "")
    assert " of kim@host" in str(error)


def test_an_address_without_secrets_is_told_whole() -> None:
    message = "no 'http://host:5000/a@b?version=1&keys' in s3://team/lake"
    assert str(StorageError(message)) == message


@pytest.mark.parametrize("part", ["?", "?key", "://a:b"])
def test_a_long_message_is_looked_through_once(part: str) -> None:
    """Where each part is looked at from all those before it, this takes days."""
    message = f"a=1 of kim@{part * 500_000}"
    assert str(StorageError(message)) == message


def test_no_warning_tells_a_password(caplog: pytest.LogCaptureFixture) -> None:
    answers = iter([ConnectionError("sftp://kim:secret@host"), None])

    def attempt() -> None:
        if error := next(answers):
            raise error

    retry_until_deadline(attempt, "cannot read a in sftp://kim:secret@host", 60, lambda: None)
    assert "sftp://***@host" in caplog.text
    assert "secret" not in caplog.text


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


def test_a_code_is_compared_by_name_and_by_number() -> None:
    error = exceptions.NotFoundError("no 'x'")
    assert error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST)
    assert ErrorCode.Value(error.error_code) == RESOURCE_DOES_NOT_EXIST == 3002
    assert exceptions.RESOURCE_DOES_NOT_EXIST is RESOURCE_DOES_NOT_EXIST
    for code in ErrorCode:
        assert getattr(databricks_pb2, code.name) is getattr(exceptions, code.name) is code
    for wrong in (lambda: ErrorCode.Name(99), lambda: ErrorCode.Value("NOPE")):
        with pytest.raises(ValueError, match=r"99|NOPE"):
            wrong()


def test_every_code_that_has_a_status_has_a_number() -> None:
    assert exceptions.HTTP_STATUS.keys() <= ErrorCode.__members__.keys()


def test_an_error_takes_the_number_of_its_code() -> None:
    error = MlflowException("no 'x'", error_code=RESOURCE_DOES_NOT_EXIST)
    assert (error.error_code, error.get_http_status_code()) == ("RESOURCE_DOES_NOT_EXIST", 404)
    assert MlflowException("no 'x'", error_code=99).error_code == "INTERNAL_ERROR"
    assert pickle.loads(pickle.dumps(error)).error_code == "RESOURCE_DOES_NOT_EXIST"


def test_what_a_lake_refuses_is_caught_as_what_a_server_does(client: LakeflowClient) -> None:
    client.create_experiment("digits")
    with pytest.raises(RestException, match="digits") as error:
        client.create_experiment("digits")
    assert error.value.json["error_code"] == "RESOURCE_ALREADY_EXISTS"
    assert error.value.json["message"] == error.value.message


def test_the_answer_of_a_server_is_an_error() -> None:
    error = RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no 'x'"})
    assert str(error) == "RESOURCE_DOES_NOT_EXIST: no 'x'"
    assert error.error_code == "RESOURCE_DOES_NOT_EXIST"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.message) == (RestException, error.message)
    assert RestException({}).error_code == "INTERNAL_ERROR"
