"""What a statement that does not read most likely means to say.

Each recogniser looks at the place where reading came to a halt and either knows the mistake or passes it on; the first
that knows it wins, so they stand from the particular to the general.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from npde.diagnostics import Diagnostic
from npde.diagnostics.catalogue import syntax
from npde.syntax.describe import form, found, wanted
from npde.syntax.layout import COMPARISONS, KEYWORDS, SIGNS
from npde.syntax.line import Line
from npde.syntax.token import END, Token

_OPERATORS = SIGNS | COMPARISONS | {"="}
_ENDS_OPERAND = frozenset({"NAME", "NUMBER", ")", "]", "SUPERSCRIPT", "EXTENTS"})
_STARTS_OPERAND = frozenset({"NAME", "NUMBER", "(", "EXTENTS"})
_ITEM_LISTS = frozenset({"field", "let", "learn", "input", "coordinates", "grid", "march", "solve", "boundary"})
_SETTINGS = frozenset({"grid", "march", "solve"})

_OTHER_WORDS = MappingProxyType({
    "param": "learn", "parameter": "learn", "parameters": "learn", "train": "learn", "trainable": "learn",
    "const": "let", "constant": "let", "define": "let", "def": "let", "set": "let", "var": "let",
    "unknown": "field", "variable": "field", "state": "field", "function": "field",
    "bc": "boundary", "bcs": "boundary", "boundaries": "boundary", "ic": "initial", "init": "initial",
    "domain": "coordinates", "coordinate": "coordinates", "dimensions": "coordinates", "space": "coordinates",
    "mesh": "grid", "cells": "grid", "resolution": "grid", "accuracy": "order",
    "time": "march", "scheme": "march", "integrate": "march", "step": "march", "timestepper": "march",
    "return": "output", "observe": "output", "measure": "output", "source": "input", "data": "input",
    "solver": "solve", "net": "network", "name": "model", "title": "model", "system": "model", "problem": "model",
})  # fmt: skip
"""Words of other languages for what a keyword of this one says."""


def diagnose(line: Line) -> Diagnostic:
    """The diagnostic of a statement that does not read."""
    for recognise in _RECOGNISERS:
        diagnostic = recognise(line)
        if diagnostic is not None:
            return diagnostic
    return _form(line, _remedy(line))


def _form(line: Line, hint: str, expected: str = "") -> Diagnostic:
    """The diagnostic that shows what a statement of this kind looks like."""
    code, note = form(line)
    return code.at(
        line.token.span,
        what=found(line.token),
        wanted=expected or wanted(line.expected),
        notes=(note,) if note else (),
        hint=hint,
    )


def _remedy(line: Line) -> str:
    """What to do about a statement of which no more is known than that a token does not fit."""
    token, before = line.token, line.previous
    if before is None:
        return ""
    if line.index == 1 and token.kind in {":", "="} and line.keyword in KEYWORDS:
        return f"write `{line.mended(token.start, token.stop, '')}`."
    if before.kind == "upwind" and token.kind == ":":
        return f"write `{line.mended(token.start, token.stop, '')}`."
    if before.kind == "in" and token.kind == "(":
        closing = next((t for t in line.tokens[line.index :] if t.kind == ")"), token)
        inner = line.source.text[token.stop : closing.start]
        return f"write `{line.mended(token.start, closing.stop, f'[{inner}]')}`."
    if line.keyword == "model":
        return _model_name(line)
    if token.kind == "," and line.keyword in {"initial", "output", "order", "network"}:
        return "each has a line of its own."
    return ""


def _model_name(line: Line) -> str:
    token, before = line.token, line.previous
    if token.kind == "STRING":
        return "the name comes first, the text after it."
    if token.kind == "-" and before is not None and before.kind == "NAME":
        return f"write `{line.mended(token.start, token.stop, '_')}`."
    return ""


# --- the first word ---------------------------------------------------------------------------------------------------


def _unknown_statement(line: Line) -> Diagnostic | None:
    first = line.tokens[0]
    if first.kind != "NAME" or line.index != 1 or line.token.kind == END:
        return None
    is_word = line.token.kind.isalpha() and line.token.kind.islower()
    if line.token.kind not in {"NAME", "NUMBER", "STRING"} and not is_word:
        return None
    if first.text == "equation":
        mended = line.mended(first.start, line.token.start, "")
        return syntax.UNKNOWN_STATEMENT.at(
            first.span, word=first.text, hint=f"an equation needs no keyword: `{mended}`."
        )
    meant = _meant(first.text)
    if meant is None:
        return None
    if meant == line.token.kind:
        return syntax.UNKNOWN_STATEMENT.at(first.span, word=first.text)
    hint = f"did you mean `{line.mended(first.start, first.stop, meant)}`?"
    return syntax.UNKNOWN_STATEMENT.at(first.span, word=first.text, hint=hint)


def _meant(word: str) -> str | None:
    """The keyword that a word at the start of a statement most likely stands for."""
    from difflib import get_close_matches

    lowered = word.lower()
    if lowered in _OTHER_WORDS:
        return _OTHER_WORDS[lowered]
    near = get_close_matches(lowered, KEYWORDS, n=1, cutoff=0.65)
    return near[0] if near else None


def _leading_operator(line: Line) -> Diagnostic | None:
    if line.index > 0 or line.token.kind not in _OPERATORS | {",", ":"}:
        return None
    hint = "write the operator at the end of the line before, which then goes on."
    return syntax.LEADING_OPERATOR.at(line.token.span, operator=line.token.text, hint=hint)


# --- keywords in the wrong place --------------------------------------------------------------------------------------


def _keyword(line: Line) -> Diagnostic | None:
    token = line.token
    is_word = token.kind == token.text and token.kind.isalpha()
    if not is_word:
        return None
    if token.kind in KEYWORDS and END in line.expected and line.index > 0:
        before = line.source.text[line.tokens[0].start : line.tokens[line.index - 1].stop]
        hint = f"start a new line after `{before}`." if len(before) <= 60 else "start a new line before it."
        return syntax.TWO_STATEMENTS.at(token.span, hint=hint)
    if line.keyword == "field" and token.kind == "complex":
        return _form(line, "`complex` follows the field: `field psi(x, t) complex`.")
    if "NAME" not in line.expected:
        return None
    return syntax.KEYWORD_AS_NAME.at(token.span, word=token.text, hint="choose another name.")


# --- signs of equality and comparison ---------------------------------------------------------------------------------


def _double_equals(line: Line) -> Diagnostic | None:
    if line.token.kind != "==" or line.depth > 0:
        return None
    hint = f"write `{line.mended(line.token.start, line.token.stop, '=')}`."
    return syntax.DOUBLE_EQUALS.at(line.token.span, hint=hint)


def _equals(line: Line) -> Diagnostic | None:
    token = line.token
    if token.kind != "=":
        return None
    if line.depth > 0:
        is_condition = _innermost(line) == "where"
        hint = f"write `{line.mended(token.start, token.stop, '==')}`." if is_condition else ""
        return syntax.EQUALS_INSIDE.at(token.span, hint=hint)
    if line.keyword in _SETTINGS and ":" in line.expected:
        start = line.previous.stop if line.previous else token.start
        stop = token.stop + (line.source.text[token.stop : token.stop + 1] == " ")
        return syntax.COLON.at(token.span, hint=f"write `{line.mended(start, stop, ': ')}`.")
    if line.keyword == "learn" and any(t.kind in COMPARISONS | {"in"} for t in line.tokens[: line.index]):
        return _form(line, "the start value comes first, then the bound: `learn D = 0.1 > 0`.")
    if any(t.kind == "=" for t in line.tokens[: line.index]) and line.expected & {"*", END}:
        what = {"let": "definition", "learn": "definition", "boundary": "condition", "initial": "condition",
                "output": "definition"}.get(line.keyword, "equation")  # fmt: skip
        return syntax.TWO_EQUALS.at(token.span, what=what)
    return None


def _innermost(line: Line) -> str:
    """The name before the innermost bracket that is open."""
    depth = 0
    for index in range(line.index - 1, 0, -1):
        kind = line.tokens[index].kind
        depth += (kind in {")", "]"}) - (kind in {"(", "["})
        if depth < 0:
            return line.tokens[index - 1].text
    return ""


def _comparison(line: Line) -> Diagnostic | None:
    token, before = line.token, line.previous
    if token.kind not in COMPARISONS or before is None or before.kind not in _ENDS_OPERAND or "*" not in line.expected:
        return None
    return syntax.COMPARISON.at(token.span, operator=token.text)


def _no_equals(line: Line) -> Diagnostic | None:
    if line.token.kind != END or "=" not in line.expected or line.keyword in KEYWORDS:
        return None
    whole = line.tokens[0].span.to(line.tokens[-1].span)
    text = line.source.snippet(whole)
    hint = f"write `{text} = 0`, or the other side." if len(text) < 60 and "\n" not in text else ""
    return syntax.NO_EQUALS.at(whole, hint=hint)


# --- missing and needless signs ---------------------------------------------------------------------------------------


def _doubled(line: Line) -> Diagnostic | None:
    """`**` and `//`."""
    token, before = line.token, line.previous
    if before is None or before.kind != token.kind or before.stop != token.start:
        return None
    if token.kind == "*":
        return syntax.STARS.at(line.between(), hint=f"write `{line.mended(before.start, token.stop, '^')}`.")
    if token.kind == "/":
        return syntax.OPERAND_MISSING.at(line.between(), where="after", operator="/", hint="a comment starts with `#`.")
    return None


def _empty(line: Line) -> Diagnostic | None:
    token, before = line.token, line.previous
    if before is None or (before.kind, token.kind) not in {("(", ")"), ("[", "]")}:
        return None
    hint = "put something between them."
    if line.keyword == "field":
        hint = "list what it depends on: `field u(x, t)`."
    elif line.index > 1 and line.tokens[line.index - 2].kind == "NAME":
        hint = f"write `{line.mended(before.start, token.stop, '')}`."
    return syntax.EMPTY_BRACKETS.at(line.between(), brackets=before.text + token.text, hint=hint)


def _comma(line: Line) -> Diagnostic | None:
    token, before = line.token, line.previous
    if before is None:
        return None
    if before.kind == "," and token.kind in {END, ")", "]", ","}:
        return syntax.COMMA_EXTRA.at(before.span, hint="remove it, or add what follows.")
    if line.keyword not in _ITEM_LISTS or token.kind not in {"NAME", "upwind"} or line.depth > 0:
        return None
    starts_item = line.following is not None and line.following.kind in {"=", ":", "(", "[", ",", "in"}
    if "," not in line.expected or ("*" in line.expected and not starts_item) or before.kind not in _ENDS_OPERAND:
        return None
    if line.keyword == "boundary" or (line.keyword == "let" and line.following and line.following.kind == ","):
        return None
    hint = f"write `{line.mended(before.stop, token.start, ', ')}`."
    return syntax.COMMA_MISSING.at(token.span, word=token.text, hint=hint)


def _boundary_colon(line: Line) -> Diagnostic | None:
    kinds = [t.kind for t in line.tokens]
    is_side = line.keyword == "boundary" and ":" not in kinds and "=" in kinds[: line.index]
    if not is_side or line.token.kind not in {"NAME", "PREFIX", "periodic", "outflow", "absorbing"}:
        return None
    hint = f"write `{line.mended(line.tokens[line.index - 1].stop, line.token.start, ': ')}`."
    return _form(line, hint, "`:` between the side and its condition")


def _number(line: Line) -> Diagnostic | None:
    token, before = line.token, line.previous
    is_glued = before is not None and before.stop == token.start
    if before is not None and is_glued and before.kind == "NUMBER" and token.kind == "NUMBER":
        return syntax.NUMBER_FORM.at(line.between(), text=before.text + token.text)
    if token.kind != "EXTENTS":
        return None
    is_hexadecimal = token.text.startswith("0x")
    product = token.text.replace("x", "*")
    hint = "numbers are decimal." if is_hexadecimal else f"write `{product}` for a product."
    return syntax.NUMBER_FORM.at(token.span, text=token.text, hint=hint)


def _text(line: Line) -> Diagnostic | None:
    if line.token.kind != "STRING" or line.keyword == "model":
        return None
    return syntax.STRING_PLACE.at(line.token.span)


def _operator_missing(line: Line) -> Diagnostic | None:
    token, before = line.token, line.previous
    if before is None or before.kind not in _ENDS_OPERAND or token.kind not in _STARTS_OPERAND:
        return None
    if "*" not in line.expected:
        return None
    hint = f"write `{line.mended(before.stop, token.start, '*')}` for a product."
    if line.depth > 0 and "," in line.expected:
        hint = hint[:-1] + ", or a comma between two arguments."
    return syntax.OPERATOR_MISSING.at(line.between(), left=before.text, right=token.text, hint=hint)


def _operand_missing(line: Line) -> Diagnostic | None:
    token, before = line.token, line.previous
    if before is None or not line.expected & {"NUMBER"} or "NAME" not in line.expected:
        return None
    if before.kind == "PREFIX":
        return _prefix_operand(line, before)
    if before.kind in _OPERATORS:
        return syntax.OPERAND_MISSING.at(before.span, where="after", operator=before.text)
    if token.kind in _OPERATORS and before.kind in {"(", "[", ",", ":"}:
        return syntax.OPERAND_MISSING.at(token.span, where="before", operator=token.text)
    return None


def _prefix_operand(line: Line, operator: Token) -> Diagnostic:
    letters = operator.text[1:].lstrip("_")
    hint = ""
    if operator.text == "∂" + letters and line.token.kind in {"^", "SUPERSCRIPT"}:
        hint = f"a second derivative repeats the letter: `∂{letters[-1:] * 2}`."
    elif operator.text[0] == "∂" and len(letters) > 1:
        hint = f"a space ends the letters: `∂{letters[0]} {letters[1:]}`."
    elif line.token.kind in {"-", "+", "−"}:
        hint = f"put brackets around its operand: `{operator.text}(…)`."
    return syntax.OPERAND_MISSING.at(operator.span, where="after", operator=operator.text, hint=hint)


_RECOGNISERS: tuple[Callable[[Line], Diagnostic | None], ...] = (
    _unknown_statement,
    _leading_operator,
    _keyword,
    _double_equals,
    _equals,
    _boundary_colon,
    _comparison,
    _no_equals,
    _doubled,
    _empty,
    _comma,
    _number,
    _text,
    _operator_missing,
    _operand_missing,
)
