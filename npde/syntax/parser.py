"""`parse`: from a source to its syntax tree."""

from __future__ import annotations

from npde.diagnostics import Diagnostic, DiagnosticError
from npde.source import Source, Span
from npde.syntax import layout, lexer, machine, tables, tree
from npde.syntax.build import ACTIONS


def parse(source: Source) -> tree.SyntaxTree:
    """The syntax tree of a source.

    Raises:
        DiagnosticError: with every mistake found, if there is one.
    """
    made = tables.load()
    tokens = lexer.tokens(source, made)
    comments = tuple(tree.Comment(t.text.rstrip(), t.span) for t in tokens if t.kind == "COMMENT")
    statements, wrong = [], []
    for line in layout.statements(tokens):
        try:
            statements.append(machine.run(made, line, ACTIONS))
        except machine.Stuck as stuck:
            at = line[min(stuck.index, len(line) - 1)]
            wrong.append(Diagnostic("N0199", f"'{at.text}' was not expected here.", Span(at.start, at.stop)))
    if wrong:
        raise DiagnosticError(wrong, source)
    return tree.SyntaxTree(tuple(statements), comments, source)
