"""From syntax to checked expressions: names resolved, shapes and realness known.

`Elaborator.read` runs the readers below as coroutines on a stack of its own: a reader *yields* a syntax node and is
sent its checked expression (None if it had a mistake, which is then already reported). So nesting never meets Python's
recursion limit, and one mistake gives one diagnostic.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import GeneratorType
from typing import Any, Literal, TypeAlias

from npde.diagnostics import Code, InternalError
from npde.diagnostics.catalogue import names as name_codes
from npde.diagnostics.catalogue import types as codes
from npde.model import expression as ex
from npde.model.limits import MAX_DEPTH, MAX_NODES
from npde.model.problem import Coordinate, Field, Input, LearnedClosure, LearnedCoefficient, LearnedStencil, Let
from npde.model.scope import CONSTANTS, OPERATORS, Broken, Declared, Scope
from npde.model.traversal import children, fold
from npde.model.words import describe_shape
from npde.source import Span
from npde.syntax import tree

Reading: TypeAlias = Generator[tree.Expression, "ex.Expr | None", "ex.Expr | None"]
Reader: TypeAlias = "Callable[[Elaborator, Any], Reading]"
PlaceKind = Literal["equation", "boundary", "initial", "output", "known", "start", "constant"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands, and so what may stand in it.

    `shape` is that of the field or output it is for (what `lift`, `noise` and `linear` give); `parameters` the
    coordinates that may occur (None: all); `name` what is being declared; `words` say it in messages.
    """

    kind: PlaceKind
    words: str
    shape: tuple[int, ...] = ()
    parameters: tuple[str, ...] | None = None
    name: str = ""

    @property
    def is_known(self) -> bool:
        """Whether only what is known when the file is read may stand here."""
        return self.kind in ("known", "start", "constant")


@dataclass
class Elaborator:
    """Reads the expressions of one place; `readers` has the operators by name."""

    scope: Scope
    place: Place
    readers: dict[str, Reader]
    in_vector: int = field(default=0)

    def read(self, node: tree.Expression) -> ex.Expr | None:
        """The checked expression, or None after reporting why not."""
        expr = self._run(node)
        if expr is None:
            return None
        return None if self._has_free_prime(expr) or self._is_too_big(expr) else expr

    def _run(self, node: tree.Expression) -> ex.Expr | None:
        stack: list[Reading] = []
        value: ex.Expr | None = None
        step: Reading | ex.Expr | None = self.start(node)
        while True:
            if isinstance(step, GeneratorType):
                stack.append(step)
                value = None
                if len(stack) > MAX_DEPTH:
                    self.report(codes.TOO_BIG, node.span, what="deep", why=f"more than {MAX_DEPTH} levels")
                    return None
            else:
                value = step  # type: ignore[assignment]
            while stack:
                try:
                    step = self.start(stack[-1].send(value))
                    break
                except StopIteration as stop:
                    stack.pop()
                    value = stop.value
            else:
                return value

    def start(self, node: tree.Expression) -> Reading | ex.Expr | None:
        """A reader of `node`, or the expression itself where it is a leaf."""
        match node:
            case tree.Number():
                return self._number(node)
            case tree.Name():
                return self._name(node)
            case tree.String():
                self.report(codes.TEXT, node.span)
                return None
            case tree.Compare():
                self.report(codes.COMPARISON_OUTSIDE, node.span)
                return None
            case tree.Unary():
                return self._unary(node)
            case tree.Binary(operator="+" | "-" | "*" | "/"):
                return self.readers["(chain)"](self, node)
            case tree.Binary(operator="^"):
                return self.readers["(power)"](self, node)
            case tree.Binary():
                return self.readers["(product)"](self, node)
            case tree.Vector():
                return self.readers["(vector)"](self, node)
            case tree.Index():
                return self.readers["(index)"](self, node)
            case tree.Call():
                return self._call(node)
        raise InternalError(f"no reader for {type(node).__name__}")

    # --- leaves -------------------------------------------------------------------------------------------------------

    def _number(self, node: tree.Number) -> ex.Expr | None:
        _, _, exponent = node.text.lower().partition("e")
        if len(node.text) > 400 or (exponent and (len(exponent) > 4 or abs(int(exponent)) > 300)):
            self.report(codes.TOO_LARGE, node.span, why="beyond the largest floating-point number")
            return None
        return ex.Number(Fraction(node.text), ex.Type(), node.span)

    def _name(self, node: tree.Name) -> ex.Expr | None:
        declared = self.scope.find(node.id)
        if (node.primes and not isinstance(declared, Coordinate | Broken | None)) or node.primes > 1:
            why = "a coordinate is primed once" if node.primes > 1 else f"write `{node.id}(x')` for its value at x'"
            self.report(name_codes.MISPLACED_PRIME, node.span, name=node.id, why=why)
            return None
        if declared is not None:
            return self.reference(declared, node)
        if node.id in CONSTANTS:
            name: Literal["pi", "i"] = "pi" if node.id == "pi" else "i"
            return ex.Constant(name, ex.Type(is_complex=name == "i"), node.span)
        if node.id in OPERATORS or self.scope.derivative(node.id) is not None:
            self.report(name_codes.OPERATOR_NEEDS_ARGUMENTS, node.span, name=node.id)
            return None
        self.scope.undeclared(node)
        return None

    def reference(self, declared: Declared, node: tree.Name) -> ex.Expr | None:
        """A declared name without arguments."""
        match declared:
            case Broken():
                return None
            case Coordinate():
                return self.coordinate(node.id, bool(node.primes), node.span)
            case Let():
                arguments = tuple(self.coordinate(p, False, node.span) for p in declared.parameters)
                return self.known(declared, arguments, node.span)
            case LearnedStencil() | LearnedClosure():
                what = "a learned stencil acts" if isinstance(declared, LearnedStencil) else "a learned closure acts"
                hint = f"write `{declared.name}(…)`."
                self.report(name_codes.MUST_BE_APPLIED, node.span, hint, name=declared.name, why=f"{what} on something")
                return None
            case LearnedCoefficient():
                own = (self.coordinate(c.rstrip("'"), c.endswith("'"), node.span) for c in declared.coordinates)
                return self.learned(declared, tuple(own), node.span)
            case Field() | Input():
                return self.array(declared, (), node.span)

    # --- what references are made of, also used by `references` -------------------------------------------------------

    def coordinate(self, name: str, primed: bool, span: Span) -> ex.Expr | None:
        """A coordinate where it may stand."""
        parameters = self.place.parameters
        if parameters is not None and name + "'" * primed not in parameters:
            if self.place.kind == "constant":
                why = f"'{name}' varies"
                self.report(codes.NOT_CONSTANT, span, what=self.place.words, why=why)
                return None
            hint = ""
            if not parameters and self.place.kind == "known":
                hint = f"declare it as `{self.place.name}({name})`."
            self.report(name_codes.NOT_A_PARAMETER, span, hint, name=self.place.name, coordinate=name + "'" * primed)
            return None
        return ex.CoordinateRef(name, primed, ex.Type(coordinates=(name + "'" * primed,)), span)

    def known(self, let: Let, arguments: tuple[ex.Expr | None, ...], span: Span) -> ex.Expr | None:
        """A `let` at its arguments."""
        whole = complete(arguments)
        if whole is None:
            return None
        varies = union(*(a.type.coordinates for a in whole))
        return ex.LetRef(let.name, whole, ex.Type(let.value.type.shape, let.value.type.is_complex, varies), span)

    def learned(self, what: LearnedCoefficient, arguments: tuple[ex.Expr | None, ...], span: Span) -> ex.Expr | None:
        """A learned value at its arguments, where it may stand."""
        whole = complete(arguments)
        if whole is None or not self.may_depend(what.name, "learned", span):
            return None
        return ex.LearnRef(
            what.name, whole, ex.Type(what.shape, False, union(*(a.type.coordinates for a in whole))), span
        )

    def array(self, what: Field | Input, primed: tuple[str, ...], span: Span) -> ex.Expr | None:
        """A field or an input, where it may stand."""
        kind = "unknown" if isinstance(what, Field) else "supplied at run time"
        if not self.may_depend(what.name, kind, span):
            return None
        varies = union(tuple(c + "'" if c in primed else c for c in what.coordinates))
        if isinstance(what, Input):
            return ex.InputRef(what.name, primed, ex.Type(what.shape, False, varies), span)
        if self.place.kind == "initial":
            why = "the field does not exist before its initial data"
            self.report(name_codes.DEPENDS_ON_UNKNOWN, span, what="Initial data", name=what.name, why=why)
            return None
        return ex.FieldRef(what.name, primed, ex.Type(what.shape, what.is_complex, varies), span)

    def may_depend(self, name: str, kind: str, span: Span) -> bool:
        """Whether what is not known when the file is read may stand here; reported if not."""
        if not self.place.is_known:
            return True
        what = self.place.words[0].upper() + self.place.words[1:]
        self.report(name_codes.DEPENDS_ON_UNKNOWN, span, what=what, name=name, why=f"'{name}' is {kind}")
        return False

    # --- operators ----------------------------------------------------------------------------------------------------

    def _unary(self, node: tree.Unary) -> Reading:
        inner: tree.Expression = node
        negative = False
        while isinstance(inner, tree.Unary):
            negative ^= inner.operator == "-"
            inner = inner.operand
        operand = yield inner
        if operand is None or not negative:
            return operand
        return ex.Negate(operand, operand.type, node.span)

    def _call(self, node: tree.Call) -> Reading | None:
        match node.callee:
            case tree.Call(callee=tree.Name(id="adjoint", primes=0)):
                return self.readers["adjoint"](self, node)
            case tree.Name() as name:
                return self._call_name(name, node)
            case _:
                self.report(
                    name_codes.NOT_CALLABLE, node.callee.span, name="This", why="neither an operator nor a name"
                )
                return None

    def _call_name(self, name: tree.Name, node: tree.Call) -> Reading | None:
        declared = self.scope.find(name.id)
        if isinstance(declared, Broken):
            return None
        if declared is None and name.primes == 0:
            if name.id in self.readers:
                return self.readers[name.id](self, node)
            if self.scope.derivative(name.id) is not None:
                return self.readers["(derivative)"](self, node)
        if name.primes:
            self.report(name_codes.MISPLACED_PRIME, name.span, name=name.id, why="only coordinates are primed")
            return None
        if declared is None and name.id not in CONSTANTS:
            return self._unknown(name, node)
        return self.readers["(declared)"](self, node)

    def _unknown(self, name: tree.Name, node: tree.Call) -> Reading:
        self.scope.unknown_function(name)
        for argument in node.arguments:
            if isinstance(argument, tree.Compare):
                yield argument.left
                yield argument.right
            else:
                yield argument
        return None

    # --- helpers of all readers ---------------------------------------------------------------------------------------

    def report(self, code: Code, span: Span, hint: str = "", notes: Sequence[str] = (), **data: object) -> None:
        """Add a diagnostic."""
        self.scope.collector.add(code.at(span, hint=hint, notes=notes, **data))

    def needs(self, name: str, expected: str, given: ex.Expr, hint: str = "") -> ex.Expr | None:
        """Report a value of the wrong shape; gives None."""
        text = describe_shape(given.type.shape)
        self.report(codes.NEEDS_SHAPE, given.span, hint, name=name, expected=expected, given=text)
        return None

    def arguments(self, node: tree.Call) -> Generator[tree.Expression, ex.Expr | None, tuple[ex.Expr, ...] | None]:
        """Every argument read, or None if one had a mistake."""
        items: list[ex.Expr | None] = []
        for argument in node.arguments:
            items += [(yield argument)]
        return complete(items)

    def has_arguments(self, node: tree.Call, name: str, expected: str, least: int, most: int) -> bool:
        """Whether the number of arguments is right; reported if not."""
        given = len(node.arguments)
        if least <= given <= most:
            return True
        self.report(codes.ARGUMENT_COUNT, node.span, name=name, expected=expected, given=given or "none")
        return False

    def kind(self, shape: tuple[int, ...], *parts: ex.Expr) -> ex.Type:
        """The type of a value of `shape` made of `parts`."""
        varies = union(*(p.type.coordinates for p in parts))
        return ex.Type(shape, any(p.type.is_complex for p in parts), varies)

    def join(self, operator: str, left: ex.Expr, right: ex.Expr, span: Span) -> ex.Type | None:
        """The type of `left operator right`, component by component."""
        a, b = left.type.shape, right.type.shape
        if a == b or not a or not b:
            return self.kind(a or b, left, right)
        hint = ""
        if operator == "*" and len(a) == 2 and b == (a[1],):
            hint = "a matrix acts on a vector by `@`."
        elif operator == "*" and len(a) == len(b) == 1:
            hint = ""
        given = {"left": describe_shape(a), "right": describe_shape(b)}
        self.report(codes.SHAPES_DIFFER, span, hint, operator=operator, **given)
        return None

    # --- after reading ------------------------------------------------------------------------------------------------

    def _has_free_prime(self, expr: ex.Expr) -> bool:
        """Whether a primed coordinate is left that nothing integrates over; reported."""
        allowed = self.place.parameters or ()
        free = next((c for c in expr.type.coordinates if c.endswith("'") and c not in allowed), None)
        if free is None:
            return False
        node = expr
        while inner := next((c for c in children(node) if free in c.type.coordinates), None):
            node = inner
        self.report(name_codes.FREE_PRIME, node.span, name=free)
        return True

    def _is_too_big(self, expr: ex.Expr) -> bool:
        """Whether the expression, known functions written out, passes a limit; reported."""
        nodes, depth = self.size(expr)
        if nodes <= MAX_NODES and depth <= MAX_DEPTH:
            return False
        what, why = ("long", f"more than {MAX_NODES:,} operations") if nodes > MAX_NODES else (
            "deep", f"more than {MAX_DEPTH} levels")  # fmt: skip
        self.report(codes.TOO_BIG, expr.span, what=what, why=why)
        return True

    def size(self, expr: ex.Expr) -> tuple[int, int]:
        """Nodes and nesting, known functions written out."""

        def combine(node: ex.Expr, parts: tuple[tuple[int, int], ...]) -> tuple[int, int]:
            own = self.scope.weight.get(node.name, (0, 0)) if isinstance(node, ex.LetRef) else (0, 0)
            nodes = 1 + own[0] + sum(p[0] for p in parts)
            return nodes, 1 + max((own[1], *(p[1] for p in parts)))

        return fold(expr, combine)


def complete(items: Sequence[ex.Expr | None]) -> tuple[ex.Expr, ...] | None:
    """The items if none is missing."""
    whole = tuple(item for item in items if item is not None)
    return whole if len(whole) == len(items) else None


def union(*coordinates: tuple[str, ...]) -> tuple[str, ...]:
    """All of them, sorted."""
    return tuple(sorted({c for group in coordinates for c in group}))
