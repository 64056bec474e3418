"""Who says something of a trace."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lakeflow.entities._base import Entity
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping


class AssessmentSourceType:
    """Who assesses."""

    SOURCE_TYPE_UNSPECIFIED = "SOURCE_TYPE_UNSPECIFIED"
    LLM_JUDGE = "LLM_JUDGE"
    AI_JUDGE = "AI_JUDGE"
    HUMAN = "HUMAN"
    CODE = "CODE"

    _KNOWN: ClassVar[tuple[str, ...]] = (SOURCE_TYPE_UNSPECIFIED, LLM_JUDGE, HUMAN, CODE)

    @classmethod
    def _standardize(cls, source_type: str) -> str:
        found = str(source_type).upper()
        if found == cls.AI_JUDGE:
            # Who makes the source is the fourth: before come this, __post_init__ and __init__.
            warnings.warn("AI_JUDGE is now LLM_JUDGE", FutureWarning, stacklevel=4)
            found = cls.LLM_JUDGE
        if found not in cls._KNOWN:
            raise InvalidInputError(
                f"{source_type!r} is no source of assessments; "
                f"there are {', '.join(cls._KNOWN)}"
            )
        return found


@dataclass(frozen=True, slots=True, repr=False)
class AssessmentSource(Entity):
    """Who says it.

    Attributes:
        source_type: An ``AssessmentSourceType``, in upper or lower case.
        source_id: Which one: a mail address, a model, a file of code.

    Raises:
        InvalidInputError: INVALID_PARAMETER_VALUE: there is no such type.

    Examples:
        >>> AssessmentSource("human", "kim@example.com").source_type
        'HUMAN'
    """

    source_type: str
    source_id: str | None = "default"

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "source_type", AssessmentSourceType._standardize(self.source_type)
        )

    @classmethod
    def from_dictionary(cls, source_dict: Mapping[str, Any]) -> AssessmentSource:
        """Return the source of what ``to_dictionary`` gives."""
        return cls(source_dict["source_type"], source_dict.get("source_id"))
