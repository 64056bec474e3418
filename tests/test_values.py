"""Frozen values: what they are equal to, how they are made, and what they refuse."""

from __future__ import annotations

import copy
import inspect
import pickle
import signal
import subprocess
import sys
from functools import cached_property
from typing import ClassVar

import pytest

from lakeflow.values import field, fields, frozen, replace


@frozen
class Point:
    x: float
    y: float = 0.0
    names: list[str] = field(default_factory=list)
    origin: ClassVar = "here"

    def length(self) -> float:
        return abs(self.x) + abs(self.y)


@frozen
class Other:
    x: float
    y: float = 0.0
    names: list[str] = field(default_factory=list)


@frozen
class Positive:
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("it is negative")


@frozen
class Cached:
    __slots__ = ("__dict__",)

    number: int

    @cached_property
    def double(self) -> int:
        return 2 * self.number


class Named(Positive):
    """One that inherits has no fields of its own, and may have attributes."""

    name = ""


def test_values_are_equal_if_class_and_fields_are() -> None:
    assert Point(1) == Point(1.0, 0, [])
    assert Point(1) != Point(1, 2)
    assert Point(1) != Other(1)
    assert Point(1) != (1, 0.0, [])
    assert Positive(1) != Named(1)
    assert {Positive(1), Positive(1), Positive(2)} == {Positive(2), Positive(1)}
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point(1))


def test_a_value_is_made_as_its_class_says() -> None:
    assert fields(Point) == ("x", "y", "names")
    assert repr(Point(1, names=["a"])) == "Point(x=1, y=0.0, names=['a'])"
    assert str(inspect.signature(Positive)) == "(number: 'int') -> 'None'"
    assert list(inspect.signature(Point).parameters) == ["x", "y", "names"]
    for arguments in ((), (1, 2, [], 4)):
        with pytest.raises(TypeError, match=r"Point\.__init__\(\)"):
            Point(*arguments)
    with pytest.raises(ValueError, match="negative"):
        Positive(-1)
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_each_value_has_a_default_of_its_own() -> None:
    first, second = Point(1), Point(1)
    first.names.append("a")
    assert (first.names, second.names) == (["a"], [])


def test_a_value_does_not_change() -> None:
    point = Point(1)
    for name in ("x", "names", "origin", "other"):
        with pytest.raises(AttributeError):
            setattr(point, name, 2)
        with pytest.raises(AttributeError):
            delattr(point, name)
    assert replace(point, y=3) == Point(1, 3)
    assert point == Point(1)
    with pytest.raises(TypeError, match="other"):
        replace(point, other=1)
    named = Named(1)
    named.name = "one"
    with pytest.raises(AttributeError, match="frozen"):
        named.number = 2
    assert (named.name, named.number) == ("one", 1)


def test_a_value_has_slots_and_what_it_caches_beside_them() -> None:
    assert not hasattr(Point(1), "__dict__")
    cached = Cached(2)
    assert (cached.double, cached.double, vars(cached)) == (4, 4, {"double": 4})
    assert cached == Cached(2)


def test_a_value_that_is_made_last_changes_nothing_of_how_a_process_ends() -> None:
    program = """
import atexit
from lakeflow.values import frozen

@frozen
class Last:
    number: int

atexit.register(lambda: print(Last(1)))
raise KeyboardInterrupt
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (-signal.SIGINT, "Last(number=1)\n")


def test_a_value_is_copied_and_pickled() -> None:
    point = Point(1, 2, ["a"])
    assert (
        pickle.loads(pickle.dumps(point)) == copy.deepcopy(point) == copy.copy(point) == point
    )
    assert copy.deepcopy(point).names is not point.names
