"""Names: what is declared so far, what is reserved, and what a wrong name may have meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeAlias

from npde.diagnostics import Collector
from npde.diagnostics.catalogue import names as codes
from npde.model.constant import Value
from npde.model.problem import Coordinate, Exact, Field, Input, Learned, LearnedCoefficient, Let
from npde.source import Source, Span
from npde.syntax import tree

KEYWORDS = frozenset(
    [
        "model",
        "coordinates",
        "field",
        "let",
        "learn",
        "input",
        "boundary",
        "initial",
        "output",
        "grid",
        "order",
        "march",
        "solve",
        "network",
        "in",
        "complex",
        "stencil",
        "moments",
        "periodic",
        "outflow",
        "absorbing",
        "along",
    ]
)
ELEMENTARY = (
    "exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sech", "sigmoid", "softplus", "relu", "gelu",
    "abs", "abs2", "conj", "re", "im", "min", "max",
)  # fmt: skip
OPERATORS = (
    *ELEMENTARY, "d", "lap", "grad", "div", "curl", "dot", "cross", "dn", "integral", "mean", "sum", "where", "noise",
    "adjoint", "lift", "linear", "regions",
)  # fmt: skip
CONSTANTS = ("i", "pi")
INPUT_NAMES = ("state", "steps", "every", "start")


@dataclass(frozen=True, slots=True)
class Broken:
    """A name whose declaration had a mistake, already reported: whatever uses it stays silent."""

    name: str
    span: Span


Declared: TypeAlias = Coordinate | Field | Let | Learned | Input | Broken


@dataclass
class Scope:
    """What the statements read so far have declared.

    `marching` and the names of all coordinates, in order, are known from the start (the former follows from
    `march … along` or a coordinate `t`); `later` has every name that the file declares anywhere, with the place;
    `values` the constants among the `let`s; `weight` the expanded size and the nesting of each `let`; `extents` the
    extents as the file has them, before options override them; `strangers` the undeclared names that were reported, once
    each however often they occur.
    """

    source: Source
    collector: Collector
    marching: str | None
    later: dict[str, Span]
    coordinate_names: tuple[str, ...]
    names: dict[str, Declared] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    values: dict[str, Value | None] = field(default_factory=dict)
    weight: dict[str, tuple[int, int]] = field(default_factory=dict)
    occurrences: dict[str, int] = field(default_factory=dict)
    extents: dict[str, tuple[Exact, Exact]] = field(default_factory=dict)
    outputs: dict[str, Span] = field(default_factory=dict)
    strangers: set[str] = field(default_factory=set)

    # --- what there is ------------------------------------------------------------------------------------------------

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """Every coordinate, in order of declaration."""
        return tuple(d for d in self.names.values() if isinstance(d, Coordinate))

    @property
    def space(self) -> tuple[Coordinate, ...]:
        """The coordinates but the marching one."""
        return tuple(c for c in self.coordinates if c.name != self.marching)

    @property
    def time(self) -> Coordinate | None:
        """The marching coordinate, if its declaration is sound."""
        return next((c for c in self.coordinates if c.name == self.marching), None)

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every field, in order of declaration."""
        return tuple(d for d in self.names.values() if isinstance(d, Field))

    def position(self, coordinate: str) -> int:
        """The place of a coordinate in order of declaration (primed like its unprimed one)."""
        return self.coordinate_names.index(coordinate.rstrip("'"))

    def find(self, name: str) -> Declared | None:
        """The declaration of a name, remembered as used."""
        self.used.add(name)
        return self.names.get(name)

    def occurrence(self, kind: str) -> int:
        """How many `lift` (or `linear`) came before in the file."""
        count = self.occurrences.get(kind, 0)
        self.occurrences[kind] = count + 1
        return count

    # --- declaring ----------------------------------------------------------------------------------------------------

    def declare(self, name: tree.Name, declared: Declared | None) -> None:
        """Enter a name. None is a declaration that failed; a reserved or second one is reported and spoils the name."""
        if not self.is_free(name):
            declared = None
        self.names[name.id] = Broken(name.id, name.span) if declared is None else declared

    def is_free(self, name: tree.Name) -> bool:
        """Whether a name can be declared: neither primed, nor reserved, nor declared before; reported if not."""
        first = self.names[name.id].span if name.id in self.names else self.outputs.get(name.id)
        if name.primes:
            self.collector.add(codes.MISPLACED_PRIME.at(name.span, name=name.id, why="only coordinates are primed"))
        elif (why := self.reserved(name.id)) is not None:
            self.collector.add(codes.RESERVED_NAME.at(name.span, name=name.id, why=why))
        elif first is not None:
            line, _ = self.source.position(first.start)
            note = f"'{name.id}' was first declared in line {line}."
            self.collector.add(codes.DECLARED_TWICE.at(name.span, name=name.id, notes=(note,)))
        else:
            return True
        return False

    def reserved(self, name: str) -> str | None:
        """Why a name cannot be declared, or None."""
        if name == "i":
            return "the imaginary unit"
        if name == "pi":
            return "the number π"
        if name in KEYWORDS:
            return "a keyword of the language"
        if name in OPERATORS:
            return "an operator of the language"
        if name.startswith("_"):
            return "names begin with a letter"
        if name not in self.coordinate_names and self.derivative(name) is not None:
            return "a derivative by the coordinates of this file"
        return None

    # --- derivatives --------------------------------------------------------------------------------------------------

    def derivative(self, name: str) -> dict[str, int] | None:
        """`dxx` as {"x": 2}: `d` followed by coordinates of this file, or None."""
        letters = name[1:]
        if not name.startswith("d") or not letters:
            return None
        parts = split(letters, sorted(self.coordinate_names, key=lambda c: (-len(c), c)))
        if parts is None:
            return None
        return {c: parts.count(c) for c in sorted(set(parts))}

    def means_something(self, name: str) -> bool:
        """Whether a name can be called: an operator, a derivative, or declared."""
        return name in OPERATORS or name in self.names or self.derivative(name) is not None

    # --- what may have been meant -------------------------------------------------------------------------------------

    def undeclared(self, name: tree.Name) -> None:
        """Report a name that means nothing here, the first time it occurs."""
        if name.id in self.strangers:
            return
        self.strangers.add(name.id)
        if name.id in self.later:
            line, _ = self.source.position(self.later[name.id].start)
            hint = "move its declaration up, before the line that uses it."
            self.collector.add(codes.USED_BEFORE.at(name.span, name=name.id, line=line, hint=hint))
            return
        near = nearest(name.id, [*self.names, *CONSTANTS])
        if near:
            self.used.add(near)  # one mistake is not reported twice
        arguments = ", ".join(c.name for c in self.coordinates)
        hint = f"did you mean `{near}`?" if near else f"declare it with `field {name.id}({arguments})`."
        if not near and not arguments:
            hint = f"declare it with `let {name.id} = …`."
        if name.id in ("inf", "infinity", "oo"):
            hint = "there is no infinite number; an interval that is open on one side is written `> a` or `< b`."
        self.collector.add(codes.UNDECLARED.at(name.span, name=name.id, hint=hint))

    def unknown_function(self, name: tree.Name) -> None:
        """Report a call of what is no operator and not declared."""
        if name.id in self.strangers:
            return
        if name.id in self.later:
            self.undeclared(name)
            return
        if name.id in ("dt", "dtt"):
            hint = "declare it, `coordinates …, t in [0, 1]`, or name the marching coordinate in `march … along …`."
            self.not_a_coordinate("t", name.span, hint)
            return
        if len(name.id) <= 5 and name.id[0] == "d" and name.id[1:] and set(name.id[1:]) <= set("xyzt"):
            wrong = next((c for c in name.id[1:] if c not in self.coordinate_names), name.id[1])
            self.not_a_coordinate(wrong, name.span)
            return
        derivatives = [f"d{c}" for c in sorted(self.coordinate_names)]
        self.strangers.add(name.id)
        near = nearest(name.id, [*OPERATORS, *derivatives, *self.names])
        hint = f"did you mean `{near}`?" if near else f"declare it, `let {name.id}({self._listed()}) = …`, say."
        self.collector.add(codes.UNKNOWN_FUNCTION.at(name.span, name=name.id, hint=hint))

    def _listed(self) -> str:
        """The space coordinates, or the marching one."""
        return ", ".join(c for c in self.coordinate_names if c != self.marching) or self.marching or "x"

    def not_a_coordinate(self, name: str, span: Span, hint: str = "") -> None:
        """Report a name that should be a coordinate, the first time it occurs."""
        if name in self.strangers:
            return
        self.strangers.add(name)
        known = self.coordinate_names
        near = nearest(name, known)
        listed = ", ".join(f"'{c}'" for c in known) or "not declared yet"
        self.collector.add(
            codes.NOT_A_COORDINATE.at(
                span, name=name, coordinates=listed, hint=hint or (f"did you mean `{near}`?" if near else "")
            )
        )


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` is most likely a slip of, or None."""
    known = sorted(set(candidates) - {name})
    swapped = [c for c in known if len(c) > 1 and sorted(c) == sorted(name)]
    found = swapped or get_close_matches(name, known, n=1, cutoff=0.6)
    return found[0] if found else None


def split(letters: str, coordinates: list[str]) -> tuple[str, ...] | None:
    """`letters` as a sequence of coordinate names, longest first, or None; "xxy" is (x, x, y)."""
    if len(letters) > 64:
        return None
    tails: dict[int, tuple[str, ...]] = {len(letters): ()}
    for start in range(len(letters) - 1, -1, -1):
        for name in coordinates:
            if letters.startswith(name, start) and start + len(name) in tails:
                tails[start] = (name, *tails[start + len(name)])
                break
    return tails.get(0)


def declared_names(file: tree.SyntaxTree) -> Iterator[tree.Name]:
    """Every name that a file declares, in order."""
    for statement in file.statements:
        match statement:
            case tree.Coordinates():
                yield from (name for group in statement.groups for name in group.names)
            case tree.Field() | tree.Let() | tree.Learn() | tree.Input():
                yield from (item.name for item in statement.items)
            case _:
                continue


def kind_of(declared: Declared) -> str:
    """In words, for labels."""
    match declared:
        case Coordinate():
            return "a coordinate"
        case Field():
            return "a field"
        case Let():
            return "a known value"
        case Input():
            return "an input"
        case LearnedCoefficient():
            return "a learned value"
        case Broken():
            return "a name"
        case _:
            return "a learned operator"
