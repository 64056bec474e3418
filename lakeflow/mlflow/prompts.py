"""Prompts, which MLflow keeps as registered models with a tag: what a search of models skips.

MLflow's own bodies of its calls about prompts stand over those about registered models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.query.language.conditions import Combination, Comparison, Not
from lakeflow.query.language.filters import parse_filter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lakeflow.kinds import Kind
    from lakeflow.query.language.conditions import Condition

IS_PROMPT = "mlflow.prompt.is_prompt"
"""Tag of models that are prompts, and of their versions."""


def is_prompt(tags: Mapping[str, str]) -> bool:
    """Return whether tags are those of a prompt."""
    return tags.get(IS_PROMPT, "").lower() == "true"


def without_prompts(filter_string: str | None, kind: Kind) -> Condition | None:
    """Return what a search is to find: no prompts, unless its filter asks for them.

    As MLflow reads them, ``tags.`mlflow.prompt.is_prompt` != 'true'`` and ``= 'false'`` also
    let through what has no such tag. A filter that names the tag within ``OR`` or ``NOT``
    says itself what it means.

    Args:
        filter_string: The filter.
        kind: What is searched: models or versions.

    Raises:
        InvalidInputError: The filter is malformed.
    """
    tree = parse_filter(filter_string, kind)
    parts = [] if tree is None else list(_joined(tree))
    about = [each for each in parts if _names_the_tag(each)]
    if any(not isinstance(each, Comparison) or _asks(each) for each in about):
        return tree
    no_prompt = parse_filter(
        f"tags.`{IS_PROMPT}` IS NULL OR tags.`{IS_PROMPT}` != 'true'", kind
    )
    assert no_prompt is not None
    others = [each for each in parts if each not in about]
    return Combination("AND", (*others, no_prompt)) if others else no_prompt


def _joined(tree: Condition) -> Iterator[Condition]:
    """Yield the conditions of which all must hold."""
    if isinstance(tree, Combination) and tree.operator == "AND":
        for each in tree.parts:
            yield from _joined(each)
    else:
        yield tree


def _names_the_tag(tree: Condition) -> bool:
    if isinstance(tree, Comparison):
        return tree.field.key == IS_PROMPT
    parts = (tree.part,) if isinstance(tree, Not) else tree.parts
    return any(map(_names_the_tag, parts))


def _asks(comparison: Comparison) -> bool:
    """Return whether a comparison of the tag lets prompts through."""
    text = str(comparison.values[0]).lower() if comparison.values else ""
    return (comparison.operator, text) not in {("=", "false"), ("!=", "true")}
