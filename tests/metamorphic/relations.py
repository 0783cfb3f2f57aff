"""Five ways to write a program differently, and what its states must then be.

Each takes a text and a random source and gives a `Variant`: another text, and how values of the first become values of the
second. None of them knows what the compiler does; each is a fact about the equations or the language.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch

from npde.syntax import tree
from tests.metamorphic.rewriting import expression, in_statement, read, rename_everywhere, rewritten, text_of, within

Values = Callable[[torch.Tensor], torch.Tensor]


def _same(value: torch.Tensor) -> torch.Tensor:
    return value


@dataclass(frozen=True)
class Variant:
    """A text that means the same. `state`, `parameter` and `given` take values of the first program to those of this one
    (parameters and inputs by their names there), `output` those of an output; `names` are the new names of old ones."""

    text: str
    names: dict[str, str] = field(default_factory=dict)
    state: Values = _same
    parameter: Callable[[str, torch.Tensor], torch.Tensor] = lambda name, value: value
    given: Callable[[str, torch.Tensor], torch.Tensor] = lambda name, value: value
    output: Callable[[str, torch.Tensor], torch.Tensor] = lambda name, value: value


# --- names ------------------------------------------------------------------------------------------------------------


def declared(statements: tuple[tree.Statement, ...]) -> list[str]:
    """Everything that a program names, coordinates left out."""
    found: list[str] = []
    for statement in statements:
        match statement:
            case tree.Field() | tree.Let() | tree.Learn() | tree.Input():
                found += [item.name.id for item in statement.items]
            case tree.Output() | tree.Model():
                found.append(statement.name.id)
    return found


def renamed(text: str, rng: random.Random) -> Variant:
    """Names carry no meaning. New ones are drawn so that their alphabetical order changes too."""
    statements = read(text).statements
    old = declared(statements)
    letters = [f"{a}{b}" for a in "abcfghklmnpqrsvw" for b in "aeou"]
    drawn = rng.sample(letters, len(old))
    names = {o: f"{n}_{k}" for k, (o, n) in enumerate(zip(old, drawn, strict=True))}
    return Variant(text_of(rename_everywhere(statements, lambda n: names.get(n, n))), names)  # type: ignore[arg-type]


# --- order ------------------------------------------------------------------------------------------------------------


def reordered(text: str, rng: random.Random) -> Variant:
    """Terms, factors and statements stand in any order (declarations before their use)."""

    def shuffled(node: tree.Expression) -> tree.Expression:
        match node:
            case tree.Binary(operator="+" | "-"):
                return _sum(_terms(node), rng)
            case tree.Binary(operator="*"):
                factors = _factors(node)
                rng.shuffle(factors)
                return _joined("*", factors)
            case _:
                return node

    statements = [in_statement(s, shuffled) for s in read(text).statements]
    first = [s for s in statements if isinstance(s, DECLARATIONS)]
    kinds = [[s for s in statements if isinstance(s, kind)] for kind in KEPT_IN_ORDER]
    rest = [s for s in statements if not isinstance(s, DECLARATIONS + KEPT_IN_ORDER)]
    rng.shuffle(rest)
    for kept in kinds:
        places = sorted(rng.randrange(len(rest) + 1) for _ in kept)
        for shift, (place, statement) in enumerate(zip(places, kept, strict=True)):
            rest.insert(place + shift, statement)
    return Variant(text_of([*first, *rest]))


DECLARATIONS = (tree.Model, tree.Coordinates, tree.Field, tree.Let, tree.Learn, tree.Input)
KEPT_IN_ORDER = (tree.Initial, tree.Output)
"""Statements that number their learned layers in order of occurrence."""


def _terms(node: tree.Expression, sign: int = 1) -> list[tuple[int, tree.Expression]]:
    match node:
        case tree.Binary(operator="+" | "-" as operator, left=left, right=right):
            return [*_terms(left, sign), *_terms(right, sign if operator == "+" else -sign)]
        case _:
            return [(sign, node)]


def _sum(terms: list[tuple[int, tree.Expression]], rng: random.Random) -> tree.Expression:
    rng.shuffle(terms)
    (sign, total), *rest = terms
    if sign < 0:
        total = tree.Unary("-", total)
    for sign, term in rest:
        total = tree.Binary("+" if sign > 0 else "-", total, term)
    return total


def _factors(node: tree.Expression) -> list[tree.Expression]:
    match node:
        case tree.Binary(operator="*", left=left, right=right):
            return [*_factors(left), *_factors(right)]
        case _:
            return [node]


def _joined(operator: str, parts: list[tree.Expression]) -> tree.Expression:
    first, *rest = parts
    for part in rest:
        first = tree.Binary(operator, first, part)  # type: ignore[arg-type]
    return first


# --- translation ------------------------------------------------------------------------------------------------------


def translated(text: str, rng: random.Random) -> Variant | None:
    """Where the origins of space and time lie is a convention. None for convolutions, whose weights are numbered from it."""
    statements = read(text).statements
    if re.search(r"\w\((\w) - \1'\)", text):
        return None
    names = [n.id for s in statements if isinstance(s, tree.Coordinates) for g in s.groups for n in g.names]
    shifts = {n: expression(rng.choice(["2", "0.5", "-1", "0.25"])) for n in names}
    moved = {n: tree.Binary("-", tree.Name(n), shift) for n, shift in shifts.items()}

    def change(statement: tree.Statement) -> tree.Statement:
        statement = in_statement(statement, lambda e: within(e, moved) if isinstance(e, tree.Name) else e)
        match statement:
            case tree.Coordinates():
                groups = []
                for g in statement.groups:
                    assert len(g.names) == 1
                    shift = shifts[g.names[0].id]
                    groups.append(
                        replace(g, lower=tree.Binary("+", g.lower, shift), upper=tree.Binary("+", g.upper, shift))
                    )
                return replace(statement, groups=tuple(groups))
            case tree.Boundary(coordinate=tree.Name(id=name), position=position) if position is not None:
                return replace(statement, position=tree.Binary("+", position, shifts[name]))
            case _:
                return statement

    return Variant(text_of([change(s) for s in statements]))


# --- units ------------------------------------------------------------------------------------------------------------


def rescaled(text: str, rng: random.Random) -> Variant | None:
    """x = L x', t = T t', u = U u': the equations in other units. None where a kernel starts from an operator in the old ones."""
    statements = read(text).statements
    if re.search(r"stencil [\dx]+ =", text):
        return None
    space, time = _space_and_time(statements)
    length, period = rng.choice([2, 0.5, 4]), rng.choice([2, 0.5, 8])
    fields = [i.name.id for s in statements if isinstance(s, tree.Field) for i in s.items]
    size = {f: rng.choice([2, 0.5, 4]) for f in fields}
    parts = {c: expression(f"{c}/{length}") for c in space} | {time: expression(f"{time}/{period}")}
    parts |= {f: expression(f"{f}/{size[f]}") for f in fields}

    def change(e: tree.Expression) -> tree.Expression:
        match e:
            case tree.Name(primes=0):
                return parts.get(e.id, e)
            case tree.Call(callee=tree.Name(id=name), arguments=arguments):
                power = _dimension(name, arguments, space, time)
                if name in size:  # a field at primed coordinates
                    return tree.Binary("/", e, expression(str(size[name])))
                return e if power is None else tree.Binary("*", expression(f"{length}^({power})"), e)
            case _:
                return e

    def rule(e: tree.Expression) -> tree.Expression:
        return _rate(e, change, time, period, size)

    changed: list[tree.Statement] = []
    for s in statements:
        match s:
            case tree.Coordinates():
                s = replace(
                    s, groups=tuple(_stretched(g, length if g.names[0].id in space else period) for g in s.groups)
                )
            case tree.Boundary(coordinate=tree.Name(), position=position) if position is not None:
                s = replace(_in_all(s, rule), position=tree.Binary("*", expression(str(length)), position))
            case tree.Initial(target=target, value=value):
                factor = size[target.id] if isinstance(target, tree.Name) else size[target.arguments[0].id] / period
                s = replace(s, value=tree.Binary("*", expression(repr(float(factor))), _outside_in(value, rule)))
            case _:
                s = _in_all(s, rule)
        changed.append(s)
    return Variant(text_of(changed), state=_Sizes(statements, size, period), parameter=_KernelSize(text, length))


def _in_all(statement: tree.Statement, rule: Callable[[tree.Expression], tree.Expression]) -> tree.Statement:
    match statement:
        case tree.Equation():
            return replace(statement, left=_outside_in(statement.left, rule), right=_outside_in(statement.right, rule))
        case tree.Boundary():
            return replace(
                statement,
                clauses=tuple(_in_all(c, rule) if isinstance(c, tree.Equation) else c for c in statement.clauses),
            )
        case _:
            return in_statement(statement, rule)


def _outside_in(e: tree.Expression, rule: Callable[[tree.Expression], tree.Expression]) -> tree.Expression:
    return rewritten(e, rule)


def _rate(
    e: tree.Expression,
    change: Callable[[tree.Expression], tree.Expression],
    time: str,
    period: float,
    size: dict[str, float],
) -> tree.Expression:
    """Rates apply to bare fields: `dt(u)` becomes T/U dt(u), the rest as `change` says."""
    match e:
        case tree.Call(callee=tree.Name(id=name), arguments=(tree.Binary(operator="/", left=tree.Name(id=u)),)) if (
            name in (f"d{time}", f"d{time}{time}") and u in size
        ):
            order = name.count(time)
            return tree.Binary("*", expression(f"{period}^{order}/{size[u]}"), replace(e, arguments=(tree.Name(u),)))
        case _:
            return change(e)


def _dimension(name: str, arguments: tuple[tree.Expression, ...], space: list[str], time: str) -> str | None:
    """The power of a length that an operator divides by, None for what has no dimension."""
    if name == "lap":
        return "2"
    if name in ("grad", "div", "curl", "dn"):
        return "1"
    if name == "d":
        return arguments[2].text  # type: ignore[union-attr]
    if name == "integral":
        return f"-{len(arguments) - 1}"
    if space and re.fullmatch(f"d[{''.join(space)}]+", name):
        return str(len(name) - 1)
    return None


def _stretched(group: tree.CoordinateGroup, factor: float) -> tree.CoordinateGroup:
    number = expression(str(factor))
    return replace(group, lower=tree.Binary("*", number, group.lower), upper=tree.Binary("*", number, group.upper))


def _space_and_time(statements: tuple[tree.Statement, ...]) -> tuple[list[str], str]:
    names = [n.id for s in statements if isinstance(s, tree.Coordinates) for g in s.groups for n in g.names]
    march = next(s for s in statements if isinstance(s, tree.March))
    time = march.along.id if march.along is not None else "t"
    return [n for n in names if n != time], time


@dataclass(frozen=True)
class _Sizes:
    """Each channel times the unit of its field; velocities also by that of the time."""

    statements: tuple[tree.Statement, ...]
    size: dict[str, float]
    period: float

    def __call__(self, state: torch.Tensor) -> torch.Tensor:
        width: dict[str, int] = {}
        for s in self.statements:
            if isinstance(s, tree.Field):
                for i in s.items:
                    count = int(i.sizes[0].text) if i.sizes else 1  # type: ignore[union-attr]
                    width[i.name.id] = count * (2 if i.is_complex else 1)
        factors = [self.size[f] for f, n in width.items() for _ in range(n)]
        second = [
            s.target.arguments[0].id
            for s in self.statements
            if isinstance(s, tree.Initial) and isinstance(s.target, tree.Call)
        ]  # type: ignore[union-attr]
        factors += [self.size[f] / self.period for f in width if f in second for _ in range(width[f])]
        return state * torch.tensor(factors, dtype=state.dtype).reshape(1, -1, *[1] * (state.dim() - 2))


@dataclass(frozen=True)
class _KernelSize:
    """A nonlocal kernel is stored as h W."""

    text: str
    length: float

    def __call__(self, name: str, value: torch.Tensor) -> torch.Tensor:
        is_kernel = re.search(rf"learn {name}\((\w), \1'", self.text) is not None
        return value * self.length if is_kernel else value


# --- axes -------------------------------------------------------------------------------------------------------------


def permuted(text: str, rng: random.Random) -> Variant | None:
    """The order in which coordinates are declared is a convention: arrays have their axes in another order.

    None where a program has one axis, speaks of components along the axes, or has a kernel that starts in units of one of them;
    and where corners between walls with data are read: they are filled axis by axis, so that the order matters by a truncation
    error, as test_metamorphic.py measures. Outputs that number cells or regions are left out.
    """
    statements = tuple(s for s in read(text).statements if not _counts_cells(s))
    space, time = _space_and_time(statements)
    if len(space) < 2 or re.search(r"(?:div|dot)\(\[|stencil [\dx]+ =", text):
        return None
    bounded = sum(f"boundary {c} = " in text for c in space)
    if bounded > 1 and re.search(r"\bd[xyz]{2}\(|stencil|lap\(.*lap\(", text):
        return None
    order = space[1:] + space[:1] if len(space) == 2 or rng.random() < 0.5 else [space[1], space[0], *space[2:]]
    axes = [space.index(c) for c in order]

    def sort(names: tuple[tree.Name, ...] | None) -> tuple[tree.Name, ...] | None:
        if names is None or not any(n.id in space for n in names):
            return names
        mine = sorted((n for n in names if n.id in space), key=lambda n: (order.index(n.id), n.primes))
        return (*mine, *(n for n in names if n.id not in space))

    def primed(e: tree.Expression) -> tree.Expression:
        """A field at primed coordinates lists them in the new order."""
        match e:
            case tree.Call(callee=tree.Name(id=name), arguments=arguments) if name in fields:
                return replace(e, arguments=sort(arguments))  # type: ignore[arg-type]
            case _:
                return e

    fields = {i.name.id for s in statements if isinstance(s, tree.Field) for i in s.items}
    changed: list[tree.Statement] = []
    arrays: dict[str, list[str]] = {}
    for s in statements:
        match s:
            case tree.Coordinates():
                groups = {g.names[0].id: g for g in s.groups}
                changed.append(replace(s, groups=tuple(groups[c] for c in (*order, time))))
            case tree.Field() | tree.Learn() | tree.Input() | tree.Let():
                for i in s.items:
                    arrays[i.name.id] = [n.id for n in i.arguments or () if n.id in space]
                changed.append(replace(s, items=tuple(replace(i, arguments=sort(i.arguments)) for i in s.items)))  # type: ignore[arg-type]
            case tree.Output():
                arrays[s.name.id] = [n.id for n in s.arguments or () if n.id in space]
                changed.append(replace(s, arguments=sort(s.arguments)))
            case _:
                changed.append(in_statement(s, primed))
    kernels = set(re.findall(r"learn (\w+)[^\n]*stencil", text))

    def moved(name: str, value: torch.Tensor) -> torch.Tensor:
        mine = space if name in kernels else arrays.get(name, [])
        if len(mine) < 2 or len(set(mine)) < len(mine):
            return value
        lead = value.dim() - len(mine)
        places = sorted(range(len(mine)), key=lambda k: order.index(mine[k]))
        return value.permute(*range(lead), *(lead + p for p in places))

    return Variant(
        text_of(changed), state=lambda v: v.permute(*range(v.dim() - len(space)), *(v.dim() - len(space) + a for a in axes)),
        parameter=moved, given=moved, output=moved,
    )  # fmt: skip


def _counts_cells(statement: tree.Statement) -> bool:
    """Whether a statement is an output that numbers cells or regions."""
    return isinstance(statement, tree.Output) and ("regions" in (text := text_of([statement])) or "linear" in text)


RELATIONS: dict[str, Callable[[str, random.Random], Variant | None]] = {
    "renaming": renamed, "order of terms": reordered, "translation": translated, "units": rescaled, "axes": permuted,
}  # fmt: skip
