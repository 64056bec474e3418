"""What callers give, checked, becomes what records hold. Pure, but for a random name."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from lakeflow.entities import tag_names, validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.stores.run_names import run_name as random_run_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lakeflow.entities import Param, RunTag


def name_of(run_name: str | None, tags: Mapping[str, str]) -> str:
    """Return the name of a new run from its argument and its tag, or a random one.

    Raises:
        InvalidInputError: They disagree.
    """
    return validation.run_name(given_name(run_name, tags) or random_run_name())


def given_name(run_name: str | None, tags: Mapping[str, Any]) -> str | None:
    """Return the name of a run from its argument and its tag; None or "" if neither is given.

    Raises:
        InvalidInputError: They disagree.
    """
    tagged = tags.get(tag_names.RUN_NAME)
    if run_name and tagged and run_name != tagged:
        raise InvalidInputError(
            f"Both 'run_name' argument and '{tag_names.RUN_NAME}' tag are specified, but with "
            f"different values (run_name='{run_name}', {tag_names.RUN_NAME}='{tagged}')."
        )
    return run_name or tagged


def listed(name: str, given: Any) -> list[Any] | None:
    """Return one thing or several as a list; None, and not an empty list, for none said.

    Args:
        name: What errors call them.
        given: A text, an integer of any type, or several: also an array or a column.

    Raises:
        InvalidInputError: It is neither.
    """
    if given is None:
        return None
    # A text could be listed as well, character by character.
    if isinstance(given, str) or validation.integer(given) is not None:
        return [given]
    try:
        return list(given)
    except TypeError:
        raise InvalidInputError(f"{name} is {given!r}, not a list") from None


def several(name: str, given: Any) -> list[Any]:
    """Return several ids as a list.

    Args:
        name: What errors call them.
        given: They: also an array or a column.

    Raises:
        InvalidInputError: It is no list of them, but one, say.
    """
    if not isinstance(given, str):
        with contextlib.suppress(TypeError):
            return list(given)
    raise InvalidInputError(f"{name} is {given!r}, not a list of ids")


def chosen(name: str, given: Any) -> list[Any]:
    """Return what is chosen of all there is; an empty list where nothing is said, for all.

    Args:
        name: What errors call them.
        given: As for ``listed``.

    Raises:
        InvalidInputError: It is none of that, or a list that came out empty: nobody wants a
            copy of nothing, and one of everything is not what it says.
    """
    found = listed(name, given)
    if found == []:
        raise InvalidInputError(f"{name} is empty", hint="leave it out for all of them")
    return found or []


def below(location: str, path: str) -> str:
    """Return a location inside another, leaving a URL's query and fragment at the end."""
    if "://" not in location:
        return f"{location.rstrip('/')}/{path}"
    # By hand: of a scheme that Python does not know urlunsplit drops an empty host.
    scheme, _, rest = location.partition("://")
    folder = re.split("[?#]", rest, maxsplit=1)[0]
    return f"{scheme}://{folder.rstrip('/')}/{path}{rest[len(folder) :]}"


def checked_tags(tags: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the tags of a new run or experiment, their values as text."""
    return {validation.key(key): validation.text(value) for key, value in (tags or {}).items()}


def checked(name: str, pairs: Iterable[Param | RunTag]) -> list[tuple[str, str]]:
    """Return the keys and values of params or tags, checked.

    Args:
        name: What errors call them.
        pairs: The params or tags.
    """
    return [
        (
            validation.key(each.key, f"{name}[{index}].key"),
            validation.text(each.value, f"{name}[{index}].value"),
        )
        for index, each in enumerate(pairs)
    ]


def distinct(name: str, params: Sequence[Param]) -> dict[str, str]:
    """Return checked params.

    Raises:
        InvalidInputError: A key stands there twice.
    """
    pairs = checked(name, params)
    times = Counter(key for key, _ in pairs)
    repeated = sorted(key for key, count in times.items() if count > 1)
    if repeated:
        raise InvalidInputError(
            f"Duplicate parameter keys have been submitted: {repeated}",
            hint="give each param once",
        )
    return dict(pairs)
