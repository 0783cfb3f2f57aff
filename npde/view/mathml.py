"""Equations as presentation MathML, typeset as a paper would: what browsers draw without help."""

from __future__ import annotations

from fractions import Fraction
from html import escape

from npde.model.expression import (
    ApplyClosure,
    ApplyKernel,
    Binary,
    Component,
    Constant,
    Contract,
    CoordinateRef,
    Cross,
    Curl,
    Derivative,
    Divergence,
    Dot,
    Elementary,
    Expr,
    FieldRef,
    Gradient,
    InputRef,
    Integral,
    Laplacian,
    LearnRef,
    LetRef,
    Lift,
    Linear,
    Mean,
    Negate,
    NormalDerivative,
    Number,
    Regions,
    Sum,
    VectorOf,
    Where,
    fold,
)
from npde.model.problem import Equation

SUM, PRODUCT, PREFIX, POWER, ATOM = 1, 2, 3, 4, 5
"""Binding strength of what was set."""

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ",
    "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip

Set = tuple[str, int]
"""Markup and its binding strength."""


def equation_markup(equation: Equation) -> str:
    """One equation as a `<math>` element."""
    left, right = (fold(side, _set)[0] for side in (equation.left, equation.right))
    return f'<math display="block"><mrow>{left}<mo>=</mo>{right}</mrow></math>'


def _name(name: str, primes: int = 0) -> str:
    stem, _, index = name.partition("_")
    base = f"<mi>{escape(GREEK.get(stem, stem))}</mi>"
    if index:
        base = f"<msub>{base}<mi>{escape(GREEK.get(index, index))}</mi></msub>"
    return f"<msup>{base}<mo>{'′' * primes}</mo></msup>" if primes else base


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _bracketed(item: Set, least: int) -> str:
    markup, strength = item
    return markup if strength >= least else _row("<mo>(</mo>", markup, "<mo>)</mo>")


def _call(function: str, items: tuple[Set, ...]) -> Set:
    inside = "<mo>,</mo>".join(markup for markup, _ in items)
    return _row(function, "<mo>&#x2061;</mo><mo>(</mo>", inside, "<mo>)</mo>"), ATOM


def _number(value: Fraction) -> Set:
    if value.denominator == 1:
        return f"<mn>{value.numerator}</mn>", ATOM
    decimal = f"{float(value):.6g}"
    if Fraction(decimal) != value:
        return f"<mfrac><mn>{value.numerator}</mn><mn>{value.denominator}</mn></mfrac>", ATOM
    mantissa, _, exponent = decimal.partition("e")
    if not exponent:
        return f"<mn>{decimal}</mn>", ATOM
    power = f"<msup><mn>10</mn><mn>{int(exponent)}</mn></msup>"
    return _row(f"<mn>{mantissa}</mn>", "<mo>·</mo>", power) if mantissa != "1" else power, PRODUCT


def _binary(node: Binary, left: Set, right: Set) -> Set:
    match node.operator:
        case "+":
            return _row(_bracketed(left, SUM), "<mo>+</mo>", _bracketed(right, SUM)), SUM
        case "-":
            return _row(_bracketed(left, SUM), "<mo>−</mo>", _bracketed(right, PRODUCT)), SUM
        case "*":
            dot = "<mo>·</mo>" if isinstance(node.right, Number) else "<mo>&#x2062;</mo>"
            return _row(_bracketed(left, PRODUCT), dot, _bracketed(right, PRODUCT)), PRODUCT
        case "/":
            return f"<mfrac>{left[0]}{right[0]}</mfrac>", ATOM
        case "^":
            return f"<msup>{_bracketed(left, ATOM)}{right[0]}</msup>", POWER


def _derivative(node: Derivative, operand: Set) -> Set:
    order = sum(n for _, n in node.orders)
    top = "<mo>∂</mo>" if order == 1 else f"<msup><mo>∂</mo><mn>{order}</mn></msup>"
    below = "".join(
        _row("<mo>∂</mo>", _name(c) if n == 1 else f"<msup>{_name(c)}<mn>{n}</mn></msup>") for c, n in node.orders
    )
    if operand[1] == ATOM and isinstance(node.operand, FieldRef):
        return f"<mfrac>{_row(top, operand[0])}{_row(below)}</mfrac>", ATOM
    return _row(f"<mfrac>{top}{_row(below)}</mfrac>", _bracketed(operand, ATOM)), PRODUCT


def _elementary(node: Elementary, items: tuple[Set, ...]) -> Set:
    match node.function:
        case "sqrt":
            return f"<msqrt>{items[0][0]}</msqrt>", ATOM
        case "exp":
            return f"<msup><mi>e</mi>{items[0][0]}</msup>", POWER
        case "abs":
            return _row("<mo>|</mo>", items[0][0], "<mo>|</mo>"), ATOM
        case "abs2":
            return f"<msup>{_row('<mo>|</mo>', items[0][0], '<mo>|</mo>')}<mn>2</mn></msup>", POWER
        case "conj":
            return f'<mover accent="true">{items[0][0]}<mo>¯</mo></mover>', ATOM
        case _:
            return _call(f"<mi>{node.function}</mi>", items)


def _variables(names: tuple[str, ...]) -> str:
    return "".join(_row('<mspace width="0.2em"/><mo>d</mo>', _name(n.rstrip("'"), n.count("'"))) for n in names)


def _nabla(sign: str, item: Set) -> Set:
    return _row(f"<mo>∇</mo>{sign}", _bracketed(item, PREFIX if not sign else ATOM)), PREFIX


def _set(node: Expr, below: tuple[Set, ...]) -> Set:
    match node:
        case Number(value=value):
            return _number(value)
        case Constant(name=name):
            return (f"<mi>{'π' if name == 'pi' else 'i'}</mi>", ATOM)
        case CoordinateRef(name=name, primed=primed):
            return _name(name, int(primed)), ATOM
        case FieldRef(name=name, primed=primed) | InputRef(name=name, primed=primed):
            return _call(_name(name), tuple((_name(c, 1), ATOM) for c in primed)) if primed else (_name(name), ATOM)
        case LetRef(name=name):
            return _name(name), ATOM
        case LearnRef(name=name):
            nonlocal_ = any(
                isinstance(a, Binary) or (isinstance(a, CoordinateRef) and a.primed) for a in node.arguments
            )
            return _call(_name(name), below) if nonlocal_ else (_name(name), ATOM)
        case Negate():
            return _row("<mo>−</mo>", _bracketed(below[0], PRODUCT)), SUM
        case Binary():
            return _binary(node, below[0], below[1])
        case Elementary():
            return _elementary(node, below)
        case Derivative():
            return _derivative(node, below[0])
        case Laplacian():
            return _row("<msup><mo>∇</mo><mn>2</mn></msup>", _bracketed(below[0], PREFIX)), PREFIX
        case Gradient():
            return _nabla("", below[0])
        case Divergence():
            return _nabla("<mo>·</mo>", below[0])
        case Curl():
            return _nabla("<mo>×</mo>", below[0])
        case NormalDerivative():
            return _row("<msub><mo>∂</mo><mi>n</mi></msub>", _bracketed(below[0], PREFIX)), PREFIX
        case VectorOf():
            return _row("<mo>(</mo>", "<mo>,</mo>".join(m for m, _ in below), "<mo>)</mo>"), ATOM
        case Component(index=index):
            return f"<msub>{_bracketed(below[0], ATOM)}<mn>{index}</mn></msub>", ATOM
        case Dot():
            return _row(_bracketed(below[0], PREFIX), "<mo>·</mo>", _bracketed(below[1], PREFIX)), PRODUCT
        case Cross():
            return _row(_bracketed(below[0], PREFIX), "<mo>×</mo>", _bracketed(below[1], PREFIX)), PRODUCT
        case Contract():
            return _row(_bracketed(below[0], PREFIX), "<mo>&#x2062;</mo>", _bracketed(below[1], PREFIX)), PRODUCT
        case Integral(over=over):
            return _row("<mo>∫</mo>", _bracketed(below[0], PRODUCT), _variables(over)), PRODUCT
        case Mean(over=over) | Sum(over=over):
            sign = "<mi>mean</mi>" if isinstance(node, Mean) else "<mo>∑</mo>"
            under = "<mo>,</mo>".join(_name(c) for c in over)
            return _row(f"<msub>{sign}{_row(under)}</msub>", _bracketed(below[0], PREFIX)), PREFIX
        case ApplyKernel(kernel=kernel, adjoint=adjoint):
            return _call(f"<msup>{_name(kernel)}<mo>⊤</mo></msup>" if adjoint else _name(kernel), below)
        case ApplyClosure(closure=closure):
            return _call(_name(closure), below)
        case Lift() | Linear() | Regions():
            return _call(f"<mi>{type(node).__name__.lower()}</mi>", below)
        case Where():
            return _call("<mi>where</mi>", below)
        case _:
            return _call(f"<mi>{type(node).__name__.lower()}</mi>", below)
