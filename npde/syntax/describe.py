"""Words for what was found and what was expected."""

from __future__ import annotations

from types import MappingProxyType

from npde.diagnostics.catalogue import syntax
from npde.diagnostics.record import Code
from npde.syntax.layout import COMPARISONS, SIGNS
from npde.syntax.line import Line
from npde.syntax.token import END, Token

FORMS: MappingProxyType[str, tuple[Code, tuple[str, ...]]] = MappingProxyType({
    "model": (syntax.MODEL_FORM, ('model heat', 'model heat "Heat in a rod."')),
    "coordinates": (syntax.COORDINATES_FORM, ("coordinates x, y in [0, 20], t in [0, 10]",)),
    "field": (syntax.FIELD_FORM, ("field u(x, t)", "field psi(x, t) complex", "field u[16](x, y, t)")),
    "let": (syntax.LET_FORM, ("let k = 2*pi", "let V(x) = x^2/2")),
    "learn": (syntax.LEARN_FORM, ("learn D = 0.1 > 0", "learn r = 1 in [0, 5]", "learn V(x) = 0", "learn W(x, x')",
                                  "learn K[16, 16] stencil 3x3", "learn f(u) = mlp(32, tanh)")),
    "input": (syntax.INPUT_FORM, ("input s(x, t)", "input image[1](x, y)")),
    "output": (syntax.OUTPUT_FORM, ("output y(t) = integral(u, x)", "output logits[10] = linear(u)")),
    "initial": (syntax.INITIAL_FORM, ("initial u = sin(pi*x)", "initial dt(u) = 0")),
    "boundary": (syntax.BOUNDARY_FORM, ("boundary periodic", "boundary x: periodic", "boundary x = 0: u = 0, dn(v) = 1",
                                        "boundary absorbing(0.125)")),
    "grid": (syntax.GRID_FORM, ("grid x: 128, y: 128", "grid x: 128, upwind 3")),
    "order": (syntax.ORDER_FORM, ("order 4",)),
    "march": (syntax.MARCH_FORM, ("march rk4, steps: 200", "march rk4, dt: auto", "march strang along z, steps: 5")),
    "solve": (syntax.SOLVE_FORM, ("solve direct", "solve gmres, iterations: 200, tolerance: 1e-8")),
    "network": (syntax.NETWORK_FORM, ("network cnn",)),
})  # fmt: skip
"""The code of a statement that does not read, and what it looks like."""

_STARTS = frozenset({"NUMBER", "(", "NAME", "-"})


def found(token: Token) -> str:
    """What stands where something else was expected: the beginning of a sentence."""
    return "Something is missing" if token.kind == END else f"'{token.text}' was not expected"


def wanted(expected: frozenset[str]) -> str:
    """The kinds of token that could have followed, in words."""
    rest = set(expected)
    words = []
    if rest == {"NAME", "["}:
        return "an interval such as `[0, 1]`"
    if rest >= _STARTS:
        words.append("an expression")
        rest -= _STARTS | {"[", "PREFIX", "+", "−", "-", "NUMBER"}
    if "*" in rest:
        words.append("an operator")
        rest -= SIGNS | {"SUPERSCRIPT", "PREFIX", "(", "["}
    if "<" in rest:
        words.append("a bound" if "<=" in rest and "==" not in rest else "a comparison")
        rest -= COMPARISONS
    names = {"NAME": "a name", "NUMBER": "a number", "STRING": "a text", "EXTENTS": "extents such as `3x3`"}
    words.extend(word for kind, word in names.items() if kind in rest)
    words.extend(f"`{kind}`" for kind in sorted(rest - set(names) - {END}))
    if END in rest:
        words.append("the end of the line")
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def form(line: Line) -> tuple[Code, str]:
    """The code for a statement of this kind, and a note that shows what it looks like."""
    code, examples = FORMS.get(line.keyword, (syntax.UNEXPECTED, ()))
    return code, "it looks like " + " or ".join(f"`{example}`" for example in examples) + "." if examples else ""
