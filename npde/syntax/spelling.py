"""Mathematical spelling and ASCII spelling of the same thing: Greek letters, operators, signs that look alike."""

from __future__ import annotations

from types import MappingProxyType

_ALPHABET = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigmaf sigma tau upsilon "
    "phi chi psi omega"
)
_SMALL = {chr(0x3B1 + k): name for k, name in enumerate(_ALPHABET.split())} | {"ς": "sigma"}
_CAPITAL = {
    "Γ": "Gamma",
    "Θ": "Theta",
    "Λ": "Lambda",
    "Ξ": "Xi",
    "Π": "Pi",
    "Σ": "Sigma",
    "Φ": "Phi",
    "Ψ": "Psi",
    "Ω": "Omega",
}
_VARIANTS = {"\u00b5": "mu", "\u2126": "Omega", "\u03d1": "theta", "\u03d5": "phi", "\u03f5": "epsilon"}

GREEK = MappingProxyType({k: v for k, v in _SMALL.items() if v != "omicron"} | _CAPITAL | _VARIANTS)
"""Greek letters that are letters of a name, and what they are read as."""

LETTER_OF = MappingProxyType({name: letter for letter, name in GREEK.items() if letter not in {*_VARIANTS, "ς"}})
"""The letter that prints a Greek name."""

SIGNS = MappingProxyType({"\u2212": "-", "⋅": "·", "≤": "<=", "≥": ">=", "≠": "!="})
"""Other spellings of operators."""

SUPERSCRIPTS = MappingProxyType({"²": "2", "³": "3"})
"""Exponents that may be written raised."""

_TABLE = str.maketrans(dict(GREEK))


def ascii_name(text: str) -> str:
    """A name in ASCII: `ψ0` is `psi0`."""
    return text if text.isascii() else text.translate(_TABLE)


def sign(text: str) -> str:
    """An operator in its usual spelling."""
    return SIGNS.get(text, text)


def prefix_operator(text: str) -> str:
    """The name that a prefix operator is short for: `∇²` and `Δ` are `lap`, `∂xx` is `dxx`."""
    if text[0] == "∂":
        return "d" + ascii_name(text[1:].lstrip("_"))
    if text == "∇":
        return "grad"
    return {"·": "div", "⋅": "div", "×": "curl"}.get(text[-1], "lap")
