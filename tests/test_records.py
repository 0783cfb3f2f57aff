"""`npde.records.dataclass` beside the standard decorator: the same record twice, and what differs is nothing."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field
from typing import Any

import pytest

from npde.records import dataclass


def body() -> dict[str, Any]:
    """A record with what records have: defaults, a factory, a field that takes no part in equality and repr."""
    annotations = {"name": "str", "below": "tuple[object, ...]", "tags": "list[int]", "span": "int"}
    return {
        "__module__": __name__, "__qualname__": "Node", "__doc__": "A node.", "__annotations__": annotations,
        "below": (), "tags": field(default_factory=list, hash=False, compare=False),
        "span": field(default=0, compare=False, repr=False),
    }  # fmt: skip


Standard: Any = dataclasses.dataclass(frozen=True, slots=True)(type("Node", (), body()))
Node: Any = dataclass(frozen=True, slots=True)(type("Node", (), body()))


@pytest.mark.parametrize("given", [("a",), ("a", (1, 2)), ("a", (), [3]), ("a", (), [3], 4)])
def test_what_can_be_seen_is_the_same(given: tuple[object, ...]) -> None:
    ours, theirs = Node(*given), Standard(*given)
    assert repr(ours) == repr(theirs)
    assert hash(ours) == hash(theirs)
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert (Node.__match_args__, Node.__slots__) == (Standard.__match_args__, Standard.__slots__)


def test_equality_is_over_the_fields_that_are_compared() -> None:
    a = Node("a", (1,), [2], 3)
    assert a == Node("a", (1,), [9], 9)
    assert a != Node("a", (2,), [2], 3)
    assert a != ("a", (1,))
    assert Node("a") != Standard("a")
    assert {a: "found"}[Node("a", (1,))] == "found"


def test_a_record_cannot_be_changed() -> None:
    a = Node("a")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'name'"):
        a.name = "b"
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'name'"):
        del a.name
    with pytest.raises(AttributeError):
        a.other = 1
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        Node()
    assert a.name == "a"


def test_copies_pickles_and_replacements() -> None:
    a = Node("a", (1,), [2], 3)
    for twin in (copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert (twin, twin.tags, twin.span) == (a, [2], 3)
    changed = dataclasses.replace(a, below=(5,))
    assert (changed.name, changed.below, changed.span) == ("a", (5,), 3)


@pytest.mark.parametrize("names", [(), ("x",)])
def test_records_of_no_and_of_one_field(names: tuple[str, ...]) -> None:
    namespace = {"__annotations__": dict.fromkeys(names, "object"), "__doc__": "Few."}
    ours = dataclass(frozen=True, slots=True)(type("Few", (), dict(namespace)))
    theirs = dataclasses.dataclass(frozen=True, slots=True)(type("Few", (), dict(namespace)))
    given = (float("nan"),) * len(names)
    assert ours(*given) == ours(*given)
    assert hash(ours(*given)) == hash(theirs(*given))


def test_other_records_are_the_standard_ones() -> None:
    @dataclass
    class Open:
        """Not frozen."""

        x: int

    changed = Open(1)
    changed.x = 2
    assert changed == Open(2)

    @dataclass(frozen=True, slots=True)
    class Own:
        """Prints itself in its own way."""

        x: int

        def __repr__(self) -> str:
            return "mine"

    assert repr(Own(1)) == "mine"
