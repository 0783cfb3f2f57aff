"""What a mistake gets, word for word: every `NAME.npde` here has its rendered diagnostics beside it in `NAME.err`.

A first line `# options: --grid x=3 --march rk4,steps=10` stands for the command line. `pytest --update-golden` rewrites
the `.err` files; read the difference before committing it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from npde import model, syntax
from npde.diagnostics import CATALOGUE, Diagnostic, DiagnosticError, render
from npde.options import MarchOption, Overrides
from npde.source import Source
from npde.syntax import limits

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.npde"))
RANGES = ("N00", "N01", "N02", "N03", "N04", "N05", "N06", "N07", "N08", "N09")
"""Codes that a file can provoke by itself; N10 needs data and is tested with what reads it."""
ELSEWHERE = {"N0900"}
"""Codes in these ranges that only options of later stages provoke."""

GENERATED: dict[str, Callable[[], str]] = {
    "file_too_large": lambda: "# " + "x" * limits.SOURCE_BYTES,
    "too_many_tokens": lambda: "let k = max(" + "1, " * (limits.TOKENS // 2) + "1)",
    "too_many_terms": lambda: "let k = 1" + " + 1" * limits.TERMS,
    "too_many_statements": lambda: "order 2\n" * (limits.STATEMENTS + 1),
    "too_many_names": lambda: "let k = max(" + ", ".join(f"k{n}" for n in range(limits.NAMES)) + ")",
}
"""Texts too large to keep; their `.err` files lie in `generated/`."""


def options_of(text: str) -> Overrides:
    """What the first line of a file asks for on the command line."""
    first = text.partition("\n")[0]
    if not first.startswith("# options:"):
        return Overrides()
    words = shlex.split(first.removeprefix("# options:"))
    found: dict[str, Any] = {}
    for flag, value in zip(words[::2], words[1::2], strict=True):
        found[flag.removeprefix("--")] = READERS[flag](value)
    return Overrides(**found)


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=") for pair in text.split(","))


def _march(text: str) -> MarchOption:
    words = text.split(",")
    pairs = dict(word.split("=") for word in words if "=" in word)
    scheme = next((word for word in words if "=" not in word), None)
    dt = pairs.get("dt")
    return MarchOption(
        scheme,
        pairs.get("along"),
        int(pairs["steps"]) if "steps" in pairs else None,
        "auto" if dt == "auto" else Fraction(dt) if dt else None,
    )


def _extent(text: str) -> dict[str, tuple[Fraction, Fraction]]:
    name, _, ends = text.partition("=")
    lower, upper = ends.split(",")
    return {name: (Fraction(lower), Fraction(upper))}


READERS: dict[str, Callable[[str], Any]] = {
    "--grid": lambda text: {name: int(cells) for name, cells in _pairs(text).items()},
    "--order": int,
    "--march": _march,
    "--network": str,
    "--set": lambda text: {name: Fraction(value) for name, value in _pairs(text).items()},
    "--extent": _extent,
}


def diagnose(data: bytes, name: str) -> tuple[Source, tuple[Diagnostic, ...]]:
    """Everything the compiler finds in a file before it makes a network."""
    try:
        source = syntax.decode(data, name)
        return source, _later_stages(source)
    except DiagnosticError as error:
        return error.source, error.diagnostics


def _later_stages(source: Source) -> tuple[Diagnostic, ...]:
    tree = syntax.parse(source)
    from npde import discretize, symbolic

    problem, found = model.check(tree, options_of(source.text))
    if problem is None:
        return found
    try:
        scheme = discretize.build(symbolic.build(problem))
    except DiagnosticError as error:
        return (*found, *error.diagnostics)
    return (*found, *scheme.warnings)


def rendered(data: bytes, name: str) -> str:
    source, found = diagnose(data, name)
    return "\n\n".join(render(diagnostic, source) for diagnostic in found) + "\n"


def compare(text: str, golden: Path, is_update: bool) -> None:
    if is_update:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
        return
    assert golden.is_file(), f"no golden {golden.name}; it would read:\n{text}"
    assert text == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path: Path, update_golden: bool) -> None:
    compare(rendered(path.read_bytes(), path.name), path.with_suffix(".err"), update_golden)


@pytest.mark.parametrize("name", sorted(GENERATED))
def test_golden_of_a_large_text(name: str, update_golden: bool) -> None:
    text = rendered(GENERATED[name]().encode(), f"{name}.npde")
    compare(text, HERE / "generated" / f"{name}.err", update_golden)


def codes_in_goldens() -> set[str]:
    goldens = (path.read_text(encoding="utf-8") for path in sorted(HERE.rglob("*.err")))
    return {code for text in goldens for code in re.findall(r"^(?:error|warning)\[(N\d{4})\]", text, re.MULTILINE)}


def test_every_code_has_a_golden() -> None:
    missing = {code for code in CATALOGUE if code.startswith(RANGES)} - codes_in_goldens() - ELSEWHERE
    assert not missing, f"no file in tests/errors gives {sorted(missing)}"


def test_every_golden_belongs_to_a_file() -> None:
    names = {path.stem for path in FILES} | set(GENERATED)
    assert {path.stem for path in HERE.rglob("*.err")} == names


@pytest.mark.parametrize(
    "code", [code.id for code in CATALOGUE.values() if code.example and code.id.startswith(RANGES)]
)
def test_the_example_of_a_code_gives_it(code: str) -> None:
    _, found = diagnose(CATALOGUE[code].example.encode(), "example.npde")
    assert code in {diagnostic.code for diagnostic in found}
