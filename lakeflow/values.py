"""Frozen values as ``dataclasses`` makes them, for what every process loads.

``dataclasses`` compiles six functions for each class, one after another, and brings ``inspect``
along: a third of ``import lakeflow`` went there. Here only ``__init__`` is compiled, once it is
needed, and all classes share the others. Type checkers know them as what they are (PEP 681).
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class _Made:
    """Stands for a default that is made anew for each value."""

    __slots__ = ("default_factory",)

    def __init__(self, default_factory: Callable[[], object]) -> None:
        self.default_factory = default_factory


def field(*, default_factory: Callable[[], object]) -> Any:
    """Return the default of a field that each value is to have for itself, such as a dict."""
    return _Made(default_factory)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class one of frozen values: what it annotates are its fields, in that order.

    Values are equal if their class and all fields are. They have slots; a class in which
    something is cached names a ``__dict__`` beside them. For that the class is made a second
    time, so methods have no ``super()`` without arguments. A ``__post_init__`` is called.

    Examples:
        >>> from lakeflow.values import frozen, replace
        >>> @frozen
        ... class Point:
        ...     x: float
        ...     y: float = 0.0
        >>> replace(Point(1.0), y=2.0)
        Point(x=1.0, y=2.0)
    """
    annotations = {
        name: annotation
        for name, annotation in cls.__annotations__.items()
        if "ClassVar" not in str(annotation)
    }
    own = {name: each for name, each in vars(cls).items() if name not in _OF_THE_FIRST_ONE}
    defaults = {name: own.pop(name) for name in annotations if name in own}
    # What the class itself says wins, as does what it inherits for how it is shown.
    shown = {"__repr__": _repr} if cls.__repr__ is object.__repr__ else {}
    of_this_class = {
        "__qualname__": cls.__qualname__,
        "__slots__": (*annotations, *own.get("__slots__", ())),
        "__match_args__": tuple(annotations),
        "__init__": _Init(annotations, defaults),
        "_values": attrgetter(*annotations),
    }
    metaclass: Any = type(cls)
    made: type[T] = metaclass(
        cls.__name__, cls.__bases__, _SHARED | shown | own | of_this_class
    )
    return made


def fields(cls: type) -> tuple[str, ...]:
    """Return the names of the fields of a class of values, in order."""
    names: tuple[str, ...] = cls.__match_args__  # type: ignore[attr-defined]
    return names


def replace(value: T, /, **changes: Any) -> T:
    """Return a value with other fields; one of a data class as well."""
    cls = type(value)
    return cls(**{name: getattr(value, name) for name in fields(cls)} | changes)


class _Init:
    """Compiles ``__init__`` for who asks first: a process makes no values of most classes.

    Args:
        annotations: Type by field.
        defaults: Default by field, of those that have one.
    """

    def __init__(self, annotations: dict[str, Any], defaults: dict[str, Any]) -> None:
        self._annotations = annotations
        self._defaults = defaults

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    def __get__(self, instance: object, cls: type) -> Any:
        init = self._compiled()
        self._owner.__init__ = init  # type: ignore[misc]
        return init.__get__(instance, cls)

    def _compiled(self) -> Any:
        cls, names, defaults = self._owner, list(self._annotations), self._defaults
        # Quicker than object.__setattr__, which looks for the slot by its name each time.
        scope = {f"_set_{name}": vars(cls)[name].__set__ for name in names}
        scope |= {f"_default_{name}": default for name, default in defaults.items()}
        parameters = (f"{name}=_default_{name}" if name in defaults else name for name in names)
        lines = [f"def __init__(self, {', '.join(parameters)}):"]
        for name in names:
            is_made = isinstance(defaults.get(name), _Made)
            default = f"_default_{name}"
            made = f"{default}.default_factory() if {name} is {default} else {name}"
            lines.append(f"  _set_{name}(self, {made if is_made else name})")
        if hasattr(cls, "__post_init__"):
            lines.append("  self.__post_init__()")
        # Compiled apart: where it is given text, exec makes Python forget that Ctrl-C has ended
        # the program, and the process may be making its last values.
        exec(compile("\n".join(lines), f"<{cls.__qualname__}>", "exec"), scope)
        init = scope["__init__"]
        init.__module__, init.__qualname__ = cls.__module__, f"{cls.__qualname__}.__init__"
        init.__annotations__ = self._annotations | {"return": "None"}
        return init


def _equal(self: Any, other: Any) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    return self._values(self) == self._values(other)


def _hash(self: Any) -> int:
    return hash(self._values(self))


def _repr(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _set(self: Any, name: str, to: object) -> None:
    if name in self.__match_args__:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be set")
    # A class that inherits from one of values may have attributes of its own.
    object.__setattr__(self, name, to)


def _delete(self: Any, name: str) -> None:
    if name in self.__match_args__:
        raise AttributeError(f"{type(self).__name__} is frozen: {name!r} cannot be deleted")
    object.__delattr__(self, name)


def _reduce(self: Any) -> tuple[type, tuple[object, ...]]:
    return type(self), tuple(getattr(self, name) for name in self.__match_args__)


_OF_THE_FIRST_ONE = {"__dict__", "__weakref__"}

_SHARED: dict[str, Any] = {
    "__eq__": _equal,
    "__hash__": _hash,
    "__setattr__": _set,
    "__delattr__": _delete,
    "__reduce__": _reduce,
}
