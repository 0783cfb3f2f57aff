"""Programs rewritten: expressions replaced inside out, statement by statement, on the syntax tree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

from npde import syntax
from npde.source import Source
from npde.syntax import tree

Rule = Callable[[tree.Expression], tree.Expression]


def read(text: str) -> tree.SyntaxTree:
    """The tree of a text."""
    return syntax.parse(Source("program", text))


def expression(text: str) -> tree.Expression:
    """The tree of one expression."""
    (statement,) = read(f"let e = {text}\n").statements
    assert isinstance(statement, tree.Let)
    return statement.items[0].value


def within(node: tree.Expression, parts: dict[str, tree.Expression]) -> tree.Expression:
    """An expression with the names of `parts` replaced."""
    return rewritten(node, lambda e: parts.get(e.id, e) if isinstance(e, tree.Name) and not e.primes else e)


def rewritten(node: tree.Expression, rule: Rule) -> tree.Expression:
    """`rule` applied to every sub-expression from the leaves up. What names things is left alone: callees, coordinates that an
    operator works along, coordinates that a field or an array is taken at, indices."""
    again = lambda e: rewritten(e, rule)  # noqa: E731
    match node:
        case tree.Call(callee=tree.Name(id="d" | "integral" | "mean" | "sum"), arguments=(first, *rest)):
            node = replace(node, arguments=(again(first), *rest))
        case tree.Call(callee=tree.Name(), arguments=arguments) if any(map(_is_primed, arguments)):
            pass
        case tree.Call(arguments=arguments):
            node = replace(node, arguments=tuple(map(again, arguments)))
        case tree.Index(operand=operand):
            node = replace(node, operand=again(operand))
        case tree.Unary(operand=operand):
            node = replace(node, operand=again(operand))
        case tree.Binary(left=left, right=right) | tree.Compare(left=left, right=right):
            node = replace(node, left=again(left), right=again(right))
        case tree.Vector(items=items):
            node = replace(node, items=tuple(map(again, items)))
    return rule(node)


def _is_primed(node: tree.Expression) -> bool:
    return (isinstance(node, tree.Name) and node.primes > 0) or (
        isinstance(node, tree.Binary) and (_is_primed(node.left) or _is_primed(node.right))
    )


def in_statement(statement: tree.Statement, rule: Rule) -> tree.Statement:
    """A statement of the physics with `rule` applied to its values; declarations keep their names, grids their numbers."""
    match statement:
        case tree.Equation():
            return replace(statement, left=rewritten(statement.left, rule), right=rewritten(statement.right, rule))
        case tree.Let() | tree.Learn():
            items = tuple(i if _is_builder(i) else replace(i, value=rewritten(i.value, rule)) for i in statement.items)
            return replace(statement, items=items)  # type: ignore[arg-type]
        case tree.Initial() | tree.Output():
            return replace(statement, value=rewritten(statement.value, rule))
        case tree.Boundary():
            clauses = tuple(in_statement(c, rule) if isinstance(c, tree.Equation) else c for c in statement.clauses)
            return replace(statement, clauses=clauses)
        case _:
            return statement


def _is_builder(item: tree.LetItem | tree.LearnItem) -> bool:
    """Whether a declaration has no value that is an expression: none, an operator to start from, a network."""
    if isinstance(item, tree.LetItem):
        return False
    is_network = isinstance(item.value, tree.Call) and item.value.callee == tree.Name("mlp")
    return item.value is None or item.stencil is not None or is_network


def rename_everywhere(node: object, rename: Callable[[str], str]) -> object:
    """A tree with every name replaced, declarations included."""
    if isinstance(node, tree.Name):
        return replace(node, id=rename(node.id))
    if isinstance(node, tuple):
        return tuple(rename_everywhere(i, rename) for i in node)
    if not hasattr(node, "span"):
        return node
    return replace(
        node, **{f.name: rename_everywhere(getattr(node, f.name), rename) for f in fields(node) if f.name != "span"}
    )


def text_of(statements: tuple[tree.Statement, ...] | list[tree.Statement]) -> str:
    """The canonical text of statements."""
    return syntax.format(tree.SyntaxTree(tuple(statements)))
