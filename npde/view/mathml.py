"""Equations as presentation MathML, typeset as a paper would: what browsers draw without help."""

from __future__ import annotations

from fractions import Fraction
from html import escape
from typing import NamedTuple

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
)
from npde.model.problem import Equation
from npde.model.traversal import fold

NEGATIVE, SUM, PRODUCT, PREFIX, POWER, ATOM = 0, 1, 2, 3, 4, 5
"""Binding strength of what was set; what begins with a minus sign binds least."""

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ",
    "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Phi": "Φ", "Psi": "Ψ", "Omega": "Ω",
}  # fmt: skip


class Set(NamedTuple):
    """Markup and its binding strength; without its leading minus sign, if it has one; whether a word stands at its ends."""

    markup: str
    strength: int
    positive: str = ""
    wordy: bool = False


def equation_markup(equation: Equation) -> str:
    """One equation as a `<math>` element."""
    left, right = (fold(side, _set).markup for side in (equation.left, equation.right))
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
    return item.markup if item.strength >= least else _row("<mo>(</mo>", item.markup, "<mo>)</mo>")


def _negated(markup: str) -> Set:
    return Set(_row("<mo>−</mo>", markup), NEGATIVE, markup)


def _call(function: str, items: tuple[Set, ...]) -> Set:
    inside = "<mo>,</mo>".join(item.markup for item in items)
    return Set(_row(function, "<mo>&#x2061;</mo><mo>(</mo>", inside, "<mo>)</mo>"), ATOM)


def _number(value: Fraction) -> Set:
    if value.denominator == 1:
        return Set(f"<mn>{value.numerator}</mn>", ATOM)
    decimal = f"{float(value):.6g}"
    if Fraction(decimal) != value:
        return Set(f"<mfrac><mn>{value.numerator}</mn><mn>{value.denominator}</mn></mfrac>", ATOM)
    mantissa, _, exponent = decimal.partition("e")
    if not exponent:
        return Set(f"<mn>{decimal}</mn>", ATOM)
    power = f"<msup><mn>10</mn><mn>{int(exponent)}</mn></msup>"
    return Set(power, POWER) if mantissa == "1" else Set(_row(f"<mn>{mantissa}</mn>", "<mo>·</mo>", power), PRODUCT)


def _binary(node: Binary, left: Set, right: Set) -> Set:
    match node.operator:
        case "+":
            return Set(_row(left.markup, "<mo>+</mo>", _bracketed(right, SUM)), SUM)
        case "-":
            return Set(_row(left.markup, "<mo>−</mo>", _bracketed(right, PRODUCT)), SUM)
        case "*" if left.positive:
            return _negated(_product(node, left._replace(markup=left.positive, strength=PRODUCT), right).markup)
        case "*":
            return _product(node, left, right)
        case "/" if left.positive:
            return _negated(f"<mfrac>{left.positive}{right.markup}</mfrac>")
        case "/":
            return Set(f"<mfrac>{left.markup}{right.markup}</mfrac>", ATOM)
        case "^":
            return Set(f"<msup>{_bracketed(left, ATOM)}{right.markup}</msup>", POWER)


def _product(node: Binary, left: Set, right: Set) -> Set:
    """Factors side by side; a dot where they would run together."""
    is_apart = isinstance(node.right, Number) or left.wordy or right.wordy
    sign = "<mo>·</mo>" if is_apart else "<mo>&#x2062;</mo>"
    return Set(_row(_bracketed(left, PRODUCT), sign, _bracketed(right, PRODUCT)), PRODUCT, wordy=right.wordy)


def _reference(name: str, primes: int = 0) -> Set:
    stem = name.partition("_")[0]
    return Set(_name(name, primes), ATOM, wordy=len(stem) > 1 and stem not in GREEK)


def _derivative(node: Derivative, operand: Set) -> Set:
    order = sum(n for _, n in node.orders)
    top = "<mo>∂</mo>" if order == 1 else f"<msup><mo>∂</mo><mn>{order}</mn></msup>"
    below = "".join(
        _row("<mo>∂</mo>", _name(c) if n == 1 else f"<msup>{_name(c)}<mn>{n}</mn></msup>") for c, n in node.orders
    )
    if operand.strength == ATOM and isinstance(node.operand, FieldRef):
        return Set(f"<mfrac>{_row(top, operand.markup)}{_row(below)}</mfrac>", ATOM)
    return Set(_row(f"<mfrac>{top}{_row(below)}</mfrac>", _bracketed(operand, ATOM)), PRODUCT)


def _elementary(node: Elementary, items: tuple[Set, ...]) -> Set:
    match node.function:
        case "sqrt":
            return Set(f"<msqrt>{items[0].markup}</msqrt>", ATOM)
        case "exp":
            return Set(f"<msup><mi>e</mi>{items[0].markup}</msup>", POWER)
        case "abs":
            return Set(_row("<mo>|</mo>", items[0].markup, "<mo>|</mo>"), ATOM)
        case "abs2":
            return Set(f"<msup>{_row('<mo>|</mo>', items[0].markup, '<mo>|</mo>')}<mn>2</mn></msup>", POWER)
        case "conj":
            return Set(f'<mover accent="true">{items[0].markup}<mo>¯</mo></mover>', ATOM)
        case _:
            return _call(f"<mi>{node.function}</mi>", items)


def _variables(names: tuple[str, ...]) -> str:
    return "".join(_row('<mspace width="0.2em"/><mo>d</mo>', _name(n.rstrip("'"), n.count("'"))) for n in names)


def _nabla(sign: str, item: Set) -> Set:
    return Set(_row(f"<mo>∇</mo>{sign}", _bracketed(item, PREFIX if not sign else ATOM)), PREFIX)


def _set(node: Expr, below: tuple[Set, ...]) -> Set:
    match node:
        case Number(value=value):
            return _number(value)
        case Constant(name=name):
            return Set(f"<mi>{'π' if name == 'pi' else 'i'}</mi>", ATOM)
        case CoordinateRef(name=name, primed=primed):
            return _reference(name, int(primed))
        case FieldRef(name=name, primed=primed) | InputRef(name=name, primed=primed):
            return _call(_name(name), tuple(_reference(c, 1) for c in primed)) if primed else _reference(name)
        case LetRef(name=name):
            return _reference(name)
        case LearnRef(name=name):
            nonlocal_ = any(
                isinstance(a, Binary) or (isinstance(a, CoordinateRef) and a.primed) for a in node.arguments
            )
            return _call(_name(name), below) if nonlocal_ else _reference(name)
        case Negate():
            return _negated(_bracketed(below[0], PRODUCT))
        case Binary():
            return _binary(node, below[0], below[1])
        case Elementary():
            return _elementary(node, below)
        case Derivative():
            return _derivative(node, below[0])
        case Laplacian():
            return Set(_row("<msup><mo>∇</mo><mn>2</mn></msup>", _bracketed(below[0], PREFIX)), PREFIX)
        case Gradient():
            return _nabla("", below[0])
        case Divergence():
            return _nabla("<mo>·</mo>", below[0])
        case Curl():
            return _nabla("<mo>×</mo>", below[0])
        case NormalDerivative():
            return Set(_row("<msub><mo>∂</mo><mi>n</mi></msub>", _bracketed(below[0], PREFIX)), PREFIX)
        case VectorOf():
            return Set(_row("<mo>(</mo>", "<mo>,</mo>".join(item.markup for item in below), "<mo>)</mo>"), ATOM)
        case Component(index=index):
            return Set(f"<msub>{_bracketed(below[0], ATOM)}<mn>{index}</mn></msub>", ATOM)
        case Dot():
            return Set(_row(_bracketed(below[0], PREFIX), "<mo>·</mo>", _bracketed(below[1], PREFIX)), PRODUCT)
        case Cross():
            return Set(_row(_bracketed(below[0], PREFIX), "<mo>×</mo>", _bracketed(below[1], PREFIX)), PRODUCT)
        case Contract():
            return Set(_row(_bracketed(below[0], PREFIX), "<mo>&#x2062;</mo>", _bracketed(below[1], PREFIX)), PRODUCT)
        case Integral(over=over):
            return Set(_row("<mo>∫</mo>", _bracketed(below[0], PRODUCT), _variables(over)), PRODUCT)
        case Mean(over=over) | Sum(over=over):
            sign = "<mi>mean</mi>" if isinstance(node, Mean) else "<mo>∑</mo>"
            under = "<mo>,</mo>".join(_name(c) for c in over)
            return Set(_row(f"<msub>{sign}{_row(under)}</msub>", _bracketed(below[0], PREFIX)), PREFIX)
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
