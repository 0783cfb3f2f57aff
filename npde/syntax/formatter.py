"""`format`: the canonical text of a syntax tree."""

from __future__ import annotations

from dataclasses import dataclass

from npde.source import NOWHERE, Source
from npde.syntax import tree
from npde.syntax.expression_text import BREAK, ExpressionPrinter
from npde.syntax.statement_text import StatementPrinter

WIDTH = 100
"""Columns after which a statement is broken, at a place where the language lets a line go on."""

_INDENT = 4
_OPENING = frozenset("([")
_CLOSING = frozenset(")]")


@dataclass(frozen=True, slots=True)
class _Block:
    """A statement with the comments that belong to it, or a comment on its own; and the lines it takes in the source."""

    lines: tuple[str, ...]
    trailing: str
    column: int
    first: int
    last: int


def format(tree: tree.SyntaxTree, *, unicode: bool = False) -> str:
    """The tree as text, one statement a line: `parse(format(tree)) == tree`, and formatting twice changes nothing.

    Comments stay: those in lines of their own before the statement they stand before, those behind a statement behind
    it, in their column if the statement leaves it free; those within a statement of several lines move before it. One
    blank line is kept where there are some. A statement longer than `WIDTH` is broken after commas and operators.

    Args:
        tree: as `parse` gives it; one made by hand has no comments and no blank lines.
        unicode: mathematical spelling: `∇²u`, `∂t u`, `ψ`, `x²`. The operators `·` and `×` have no other spelling, as what
            they mean depends on what stands beside them.
    """
    printer = StatementPrinter(ExpressionPrinter(unicode, _coordinates(tree)))
    lines: list[str] = []
    before: _Block | None = None
    for block in _blocks(tree, printer):
        if before is not None and block.first > before.last + 1 and before.last > 0:
            lines.append("")
        lines.extend(block.lines)
        if block.trailing:
            lines[-1] = f"{lines[-1]}  ".ljust(block.column) + block.trailing
        before = block
    return "".join(f"{line}\n" for line in lines)


def _coordinates(made: tree.SyntaxTree) -> frozenset[str]:
    groups = (group for s in made.statements if isinstance(s, tree.Coordinates) for group in s.groups)
    return frozenset(name.id for group in groups for name in group.names)


def _blocks(made: tree.SyntaxTree, printer: StatementPrinter) -> list[_Block]:
    source = made.source
    comments = list(made.comments)
    found: list[_Block] = []
    for statement in made.statements:
        lines = wrapped(printer.text(statement))
        if statement.span == NOWHERE:
            found.append(_Block(lines, "", 0, 0, 0))
            continue
        first, _ = source.position(statement.span.start)
        last, _ = source.position(max(statement.span.start, statement.span.stop - 1))
        trailing, column = "", 0
        while comments and source.position(comments[0].span.start)[0] <= last:
            comment = comments.pop(0)
            line, place = source.position(comment.span.start)
            if line == last and comment.span.start >= statement.span.stop:
                trailing, column = comment.text, place - 1
            elif line < first:
                found.append(_own_line(comment, source))
            else:
                found.append(_Block((comment.text,), "", 0, first, first - 1))
        found.append(_Block(lines, trailing, column, first, last))
    found.extend(_own_line(comment, source) for comment in comments)
    return found


def _own_line(comment: tree.Comment, source: Source) -> _Block:
    line, _ = source.position(comment.span.start)
    return _Block((comment.text,), "", 0, line, line)


def wrapped(text: str) -> tuple[str, ...]:
    """A statement in lines of at most `WIDTH` columns, as far as it has places to break it.

    Of the places that fit, the last one within the fewest brackets is taken; one in the first third of a line only if
    there is no other.
    """
    found: list[str] = []
    rest = text
    while len(rest) > WIDTH - (_INDENT if found else 0):
        place = _break(rest, WIDTH - (_INDENT if found else 0))
        if place is None:
            break
        found.append(rest[:place])
        rest = rest[place + 1 :]
    lines = [*found, rest]
    return tuple(" " * (_INDENT if k else 0) + line.replace(BREAK, " ") for k, line in enumerate(lines))


def _break(text: str, width: int) -> int | None:
    """The offset of the `BREAK` to break a line at; the next one if none fits."""
    depth, best, best_depth = 0, None, 0
    for place, character in enumerate(text):
        if place >= width and best is not None:
            return best
        depth += (character in _OPENING) - (character in _CLOSING)
        if character != BREAK:
            continue
        if best is None or depth <= best_depth or best < width // 3:
            best, best_depth = place, depth
    return best
