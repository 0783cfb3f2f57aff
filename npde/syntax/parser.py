"""`parse`: from a source to its syntax tree.

    step         input      output              module
    characters   text       what may not stand  npde.syntax.characters
    lexer        text       tokens              npde.syntax.lexer
    layout       tokens     statements' tokens  npde.syntax.layout
    brackets     tokens     what does not match npde.syntax.brackets
    machine      tokens     a statement's tree  npde.syntax.machine, with the actions of npde.syntax.build
    mistakes     tokens     a diagnostic        npde.syntax.mistakes
    depth        tree       what is too deep    npde.syntax.depth

Each statement is read on its own, so that one run shows the mistakes of all. Limits are those of `npde.syntax.limits`.
"""

from __future__ import annotations

from collections.abc import Sequence

from npde.diagnostics import Collector
from npde.diagnostics.catalogue import source as codes
from npde.source import Source, Span
from npde.syntax import brackets, characters, depth, layout, lexer, limits, machine, tables, tree
from npde.syntax.build import ACTIONS
from npde.syntax.refuse import Refused
from npde.syntax.token import BAD, Token


def parse(source: Source) -> tree.SyntaxTree:
    """The syntax tree of a source.

    Raises:
        DiagnosticError: with the first `MAXIMUM` mistakes, if there is any.
    """
    wrong = Collector(source)
    size = len(source.text.encode("utf-8", "surrogatepass"))
    if size > limits.SOURCE_BYTES:
        wrong.add(codes.FILE_TOO_LARGE.at(Span(0, 1), size=size, limit=limits.SOURCE_BYTES))
        wrong.raise_errors()
    for diagnostic in characters.forbidden(source):
        wrong.add(diagnostic)
    made = tables.load()
    tokens = lexer.tokens(source, made, wrong)
    lines = layout.statements(tokens)
    if len(lines) > limits.STATEMENTS:
        wrong.add(codes.TOO_MANY_STATEMENTS.at(lines[limits.STATEMENTS][0].span, limit=limits.STATEMENTS))
        wrong.raise_errors()
    statements = [_statement(source, made, line, wrong) for line in lines]
    wrong.raise_errors()
    comments = tuple(tree.Comment(t.text.rstrip(), t.span) for t in tokens if t.kind == "COMMENT")
    return tree.SyntaxTree(tuple(s for s in statements if s is not None), comments, source)


def _statement(source: Source, made: tables.Tables, line: Sequence[Token], wrong: Collector) -> tree.Statement | None:
    """The tree of a statement; None if it is wrong, and then `wrong` says why."""
    if any(token.kind == BAD for token in line):
        return None
    bracket = brackets.wrong(line)
    if bracket is not None:
        wrong.add(bracket)
        return None
    try:
        statement: tree.Statement = machine.run(made, line, ACTIONS)
    except machine.Stuck as stuck:
        from npde.syntax.line import Line
        from npde.syntax.mistakes import diagnose

        wrong.add(diagnose(Line(source, line, stuck.index, frozenset(stuck.expected))))
        return None
    except Refused as refused:
        wrong.add(refused.diagnose(source))
        return None
    deep = depth.wrong(statement)
    if deep is not None:
        wrong.add(deep)
    return statement
