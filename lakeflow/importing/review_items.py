"""What a source holds of reviews, in the terms of a lake; see ``items``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from lakeflow.kinds import Kind


def changed_in(kind: Kind) -> str:
    """Return the column that says when a thing was changed last."""
    names = ("last_update_time", "last_updated_timestamp")
    return next(name for name in kind.settable if name in names)


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A question for reviewers, a queue of what is to be reviewed, or an issue.

    Attributes:
        kind: ``LABEL_SCHEMA``, ``REVIEW_QUEUE`` or ``ISSUE``.
        experiment: Key of its experiment.
        row: The columns of its row, but for the experiment and the full name.
        parts: Rows of its parts by table, without its own ids.
    """

    kind: Kind
    experiment: str
    row: Mapping[str, Any]
    parts: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def updated_in(self) -> str:
        """The column that says when it was changed last."""
        return changed_in(self.kind)

    @property
    def updated(self) -> int:
        """When it was changed last, in milliseconds."""
        time: int = self.row[self.updated_in]
        return time

    @property
    def id(self) -> str:
        """Its id, which it keeps."""
        identity: str = self.row[self.kind.id]
        return identity


@runtime_checkable
class ReviewSource(Protocol):
    """A source that holds reviews too: read as ``Source`` is."""

    def reviews(self, experiments: Container[str]) -> Iterator[ReviewItem]:
        """Yield questions, then queues, which name questions, then issues.

        Args:
            experiments: Keys of the experiments that they are of.
        """
