"""Sources of datasets: files by path or URL, pages of the web, the program itself."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, Self

from lakeflow.artifacts import download_artifacts
from lakeflow.data.dataset_source import DatasetSource
from lakeflow.entities import Dataset as DatasetEntity
from lakeflow.entities import DatasetInput
from lakeflow.exceptions import InvalidInputError, StorageError
from lakeflow.fluent.origin import origin_tags
from lakeflow.system_errors import refused

if TYPE_CHECKING:
    from lakeflow.data.dataset import Dataset

# The letter of a drive is no scheme.
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)
_WEB_TIMEOUT_S = 60


class FileSystemDatasetSource(DatasetSource):
    """A file or a folder.

    Args:
        uri: Its path or URL.

    Attributes:
        uri: The same, as it was given.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def _get_source_type(self) -> str:
        scheme = _SCHEME.match(self.uri)
        kind = scheme[1].lower() if scheme else "file"
        return "local" if kind == "file" else kind

    def to_dict(self) -> dict[str, Any]:
        """Return the path or URL."""
        return {"uri": self.uri}

    @classmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> Self:
        """Return the source that ``to_dict`` described."""
        return cls(source_dict["uri"])

    def load(self, dst_path: str | None = None) -> str:
        """Return the local path; what is not on this machine is fetched as artifacts are.

        Args:
            dst_path: Folder to copy it to. By default the path of the file itself, and for
                what is fetched a new temporary one.

        Raises:
            StorageError: There is nothing at the path, or it cannot be copied.
            LakeflowException: As for ``lakeflow.artifacts.download_artifacts``.
        """
        if self._get_source_type() != "local":
            return download_artifacts(self.uri, dst_path=dst_path)
        path = _local_path(self.uri)
        try:
            return path if dst_path is None else _copied(path, dst_path)
        except OSError as error:
            raise StorageError(f"cannot copy {path!r} to {dst_path!r}: {error}") from error


LocalArtifactDatasetSource = FileSystemDatasetSource
"""MLflow's name of a source on this machine."""


def _local_path(uri: str) -> str:
    from urllib.parse import unquote

    # Such as file:/path, file:///path and file://localhost/path.
    path = re.sub(r"\Afile:(//(localhost)?(?=/))?", "", uri, flags=re.IGNORECASE)
    # A % is an escape in a URL, and a character of a path.
    return uri if path == uri else unquote(path)


def _copied(path: str, folder: str) -> str:
    copy = os.path.join(folder, os.path.basename(os.path.abspath(path)))
    if os.path.isdir(path):
        return shutil.copytree(path, copy, dirs_exist_ok=True)
    os.makedirs(folder, exist_ok=True)
    return shutil.copy2(path, copy)


class HTTPDatasetSource(DatasetSource):
    """A page of the web.

    Args:
        url: Its address.

    Attributes:
        url: The same.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def _get_source_type(self) -> str:
        return "http"

    def to_dict(self) -> dict[str, Any]:
        """Return the address."""
        return {"url": self.url}

    @classmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> Self:
        """Return the source that ``to_dict`` described."""
        return cls(source_dict["url"])

    def load(self, dst_path: str | None = None) -> str:
        """Download it, and return the path of the file; one request.

        Args:
            dst_path: Folder for the file, which is called as the last part of the address; a
                new temporary one by default.

        Raises:
            StorageError: TEMPORARILY_UNAVAILABLE, it cannot be downloaded as a whole; then
                there is no file of that name, or the one that was there before.
                RESOURCE_EXHAUSTED, there is no room for it.
            InvalidInputError: INVALID_PARAMETER_VALUE, it is no address of the web.
        """
        from http.client import HTTPException
        from urllib.parse import unquote, urlsplit
        from urllib.request import urlopen

        # A lake of strangers may name a file of this machine.
        if not _is_web(self.url):
            raise InvalidInputError(f"{self.url!r} is no address of the web")

        # Of a stranger's address: it must not lead out of the folder.
        name = re.split(r"[/\\]", unquote(urlsplit(self.url).path))[-1]
        try:
            folder = tempfile.mkdtemp() if dst_path is None else dst_path
            path = os.path.join(folder, "dataset_source" if name in {"", ".", ".."} else name)
            os.makedirs(folder, exist_ok=True)
            with (
                urlopen(self.url, timeout=_WEB_TIMEOUT_S) as answer,
                # In the same folder, so that a rename ends it.
                tempfile.TemporaryDirectory(dir=folder) as parts,
            ):
                with open(os.path.join(parts, "part"), "wb") as file:
                    shutil.copyfileobj(answer, file)
                # At an early end of the connection the answer is only shorter.
                if answer.length:
                    raise OSError(f"{answer.length} bytes are missing")
                os.replace(file.name, path)
        except (OSError, ValueError, HTTPException) as error:
            operation = f"download {self.url!r}"
            raise refused(operation, error) or StorageError(
                f"cannot {operation}: {error}"
            ) from error
        return path


class CodeDatasetSource(DatasetSource):
    """The program that made the dataset.

    Args:
        tags: The tags that a run of it has: who started it, which program, which commit.

    Attributes:
        tags: The same.
    """

    def __init__(self, tags: dict[str, Any]) -> None:
        self.tags = tags

    def _get_source_type(self) -> str:
        return "code"

    def to_dict(self) -> dict[str, Any]:
        """Return the tags."""
        return {"tags": self.tags}

    @classmethod
    def from_dict(cls, source_dict: dict[str, Any]) -> Self:
        """Return the source that ``to_dict`` described."""
        return cls(source_dict["tags"])

    def load(self, dst_path: str | None = None) -> str:
        """Raise ``NotImplementedError``, as in MLflow: a program is no file with data."""
        raise NotImplementedError


def resolve(source: str | os.PathLike[str] | DatasetSource | None) -> DatasetSource:
    """Return the source that a user means.

    Args:
        source: A path or URL; a source, also one of MLflow's; None for the program that runs.

    Raises:
        InvalidInputError: It is something else.
    """
    if source is None:
        return CodeDatasetSource(origin_tags(None))
    # By what it has, since MLflow's own sources are taken too.
    if hasattr(source, "_get_source_type"):
        return source  # type: ignore[return-value]
    try:
        text = os.fspath(source)
    except TypeError:
        text = None
    if not isinstance(text, str):
        raise InvalidInputError(
            f"source is {source!r}, from which no dataset can come",
            hint="give a path, a URL, or one of lakeflow.data.sources",
        )
    return HTTPDatasetSource(text) if _is_web(text) else FileSystemDatasetSource(text)


def _is_web(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def get_source(dataset: DatasetEntity | DatasetInput | Dataset) -> DatasetSource:
    """Return where a dataset came from, also one that was read from a run.

    Args:
        dataset: What ``from_pandas`` and its like return; or ``run.inputs.dataset_inputs[0]``,
            or its ``dataset``.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE, its source is of a kind that lakeflow does
            not know.

    Examples:
        >>> from lakeflow.entities import Dataset
        >>> get_source(Dataset("iris", "1a2b", "s3", '{"uri": "s3://team/iris.csv"}')).uri
        's3://team/iris.csv'
    """
    if isinstance(dataset, DatasetInput):
        dataset = dataset.dataset
    if not isinstance(dataset, DatasetEntity):
        return dataset.source
    known: dict[str, type[DatasetSource]] = {
        "code": CodeDatasetSource,
        "http": HTTPDatasetSource,
    }
    # Any other kind is as a rule the scheme of a URL.
    kind = known.get(dataset.source_type, FileSystemDatasetSource)
    try:
        return kind.from_json(dataset.source)
    except (ValueError, LookupError, TypeError) as error:
        raise InvalidInputError(
            f"the source of dataset {dataset.name!r} is {dataset.source!r}, from which no "
            f"source of kind {dataset.source_type!r} can be made: {error!r}"
        ) from error
