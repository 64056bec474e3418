"""What is read of a source, written to this machine's disk until it is needed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lakeflow import temporary
from lakeflow.exceptions import StorageError
from lakeflow.system_errors import refused

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def spilling(path: str) -> Iterator[None]:
    """Tell a disk of temporary files that is full from a source that cannot be read.

    Raises:
        StorageError: Something cannot be written.
    """
    try:
        yield
    # It is an OSError too, and says already what has failed.
    except StorageError:
        raise
    except OSError as error:
        refusal = refused("spill", error)
        raise StorageError(
            f"cannot keep what was read in {path}: {error}",
            refusal.error_code if refusal else None,
            hint=temporary.MOVED_BY,
        ) from error
