"""Statements as text, each in one line; `BREAK` stands where that line may be broken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from npde.syntax import tree
from npde.syntax.expression_text import BREAK, ExpressionPrinter

_COMMA = f",{BREAK}"


@dataclass(frozen=True, slots=True)
class StatementPrinter:
    """Prints statements with the expressions of `expressions`."""

    expressions: ExpressionPrinter

    def text(self, node: tree.Statement) -> str:
        """The statement in canonical form."""
        name, expr = self.expressions.name, self.expressions.text
        match node:
            case tree.Model():
                return f"model {name(node.name)}" + (f' "{node.doc.text}"' if node.doc else "")
            case tree.Coordinates():
                return f"coordinates {_COMMA.join(map(self._group, node.groups))}"
            case tree.Field():
                return f"field {_COMMA.join(map(self._field, node.items))}"
            case tree.Let():
                return f"let {_COMMA.join(map(self._let, node.items))}"
            case tree.Learn():
                return f"learn {_COMMA.join(map(self._learn, node.items))}"
            case tree.Input():
                return f"input {_COMMA.join(self._declared(i.name, i.sizes, i.arguments) for i in node.items)}"
            case tree.Equation():
                return self._equation(node)
            case tree.Boundary():
                return self._boundary(node)
            case tree.Initial():
                return f"initial {expr(node.target)} ={BREAK}{expr(node.value)}"
            case tree.Output():
                return f"output {self._declared(node.name, node.sizes, node.arguments)} ={BREAK}{expr(node.value)}"
            case tree.Grid():
                items = [f"{name(item.name)}: {expr(item.value)}" for item in node.items]
                upwind = [] if node.upwind is None else [f"upwind {expr(node.upwind)}"]
                return f"grid {_COMMA.join(items + upwind)}"
            case tree.Order():
                return f"order {expr(node.value)}"
            case tree.March():
                along = f" along {name(node.along)}" if node.along else ""
                return self._with_settings(f"march {name(node.scheme)}{along}", node.settings)
            case tree.Solve():
                return self._with_settings(f"solve {name(node.method)}", node.settings)
            case tree.Network():
                return f"network {name(node.kind)}"
            case _:
                assert_never(node)

    def _equation(self, node: tree.Equation) -> str:
        return f"{self.expressions.text(node.left)} ={BREAK}{self.expressions.text(node.right)}"

    def _group(self, node: tree.CoordinateGroup) -> str:
        names = _COMMA.join(map(self.expressions.name, node.names))
        return f"{names} in [{self.expressions.items((node.lower, node.upper))}]"

    def _field(self, node: tree.FieldItem) -> str:
        return self._declared(node.name, node.sizes, node.arguments) + (" complex" if node.is_complex else "")

    def _let(self, node: tree.LetItem) -> str:
        return f"{self._declared(node.name, (), node.arguments)} ={BREAK}{self.expressions.text(node.value)}"

    def _learn(self, node: tree.LearnItem) -> str:
        text = self._declared(node.name, node.sizes, node.arguments)
        if node.stencil:
            text += " stencil " + "x".join(map(str, node.stencil.extents))
            text += f" moments {node.stencil.moments}" if node.stencil.moments is not None else ""
        if node.value is not None:
            text += f" ={BREAK}{self.expressions.text(node.value)}"
        return text + (f" {self._constraint(node.constraint)}" if node.constraint else "")

    def _constraint(self, node: tree.ConstraintClause) -> str:
        if node.operator == "in stable":
            return node.operator
        if node.operator == "in":
            return f"in [{self.expressions.items(node.bounds)}]"
        return f"{node.operator} {self.expressions.text(node.bounds[0])}"

    def _declared(
        self, name: tree.Name, sizes: tuple[tree.Expression, ...], arguments: tuple[tree.Name, ...] | None
    ) -> str:
        """`u[16](x, y, t)`."""
        text = self.expressions.name(name)
        text += f"[{self.expressions.items(sizes)}]" if sizes else ""
        return text if arguments is None else f"{text}({_COMMA.join(map(self.expressions.name, arguments))})"

    def _boundary(self, node: tree.Boundary) -> str:
        clauses = _COMMA.join(map(self._clause, node.clauses))
        if node.coordinate is None:
            return f"boundary {clauses}"
        side = self.expressions.name(node.coordinate)
        side += f" = {self.expressions.text(node.position)}" if node.position is not None else ""
        return f"boundary {side}: {clauses}"

    def _clause(self, node: tree.BoundaryClause) -> str:
        match node:
            case tree.PeriodicClause():
                return "periodic"
            case tree.OutflowClause():
                return "outflow"
            case tree.AbsorbingClause():
                return f"absorbing({self.expressions.text(node.width)})"
            case tree.Equation():
                return self._equation(node)
            case _:
                assert_never(node)

    def _with_settings(self, text: str, settings: tuple[tree.Setting, ...]) -> str:
        parts = [f"{self.expressions.name(s.name)}: {self.expressions.text(s.value)}" for s in settings]
        return _COMMA.join([text, *parts])
