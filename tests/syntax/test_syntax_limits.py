"""Limits are checked on text, tokens and the tree: what is just allowed reads, one more is a diagnostic."""

from __future__ import annotations

import pytest

from npde.diagnostics import Diagnostic, DiagnosticError
from npde.source import Source
from npde.syntax import decode, limits, parse


def found(text: str) -> tuple[Diagnostic, ...]:
    try:
        parse(Source("text", text))
    except DiagnosticError as error:
        return error.diagnostics
    return ()


BOUNDS = [
    ("N0010", lambda n: "#" * n, limits.SOURCE_BYTES),
    ("N0011", lambda n: "k = f(" + ",".join(["1"] * (n // 2 - 2)) + ")" + "\n" * (n % 2), limits.TOKENS),
    ("N0012", lambda n: "k = " + "(" * n + "1" + ")" * n, limits.NESTING),
    ("N0013", lambda n: "k = " + "f(" * (n - 1) + "1" + ")" * (n - 1), limits.NESTING),
    ("N0013", lambda n: "k = " + "-" * (n - 1) + "1", limits.NESTING),
    ("N0013", lambda n: "k = " + "2^" * (n - 1) + "1", limits.NESTING),
    ("N0013", lambda n: "k = " + "Δ" * (n - 1) + "u", limits.NESTING),
    ("N0013", lambda n: "k = f" + "()" * (n - 1), limits.NESTING),
    ("N0013", lambda n: "k = u" + "[0]" * (n - 1), limits.NESTING),
    ("N0013", lambda n: "k = " + "1 + 2*(" * ((n - 1) // 2) + "-" * ((n - 1) % 2) + "1" + ")" * ((n - 1) // 2), limits.NESTING),
    ("N0014", lambda n: "k = " + " + ".join(["1"] * n), limits.TERMS),
    ("N0014", lambda n: "k = " + "*".join(["1"] * n), limits.TERMS),
    ("N0014", lambda n: "k = f(" + " - ".join(["a/b"] * n) + ")", limits.TERMS),
    ("N0015", lambda n: "order 2\n" * n, limits.STATEMENTS),
    ("N0016", lambda n: f"k = 0.{'1' * (n - 1)}", limits.DIGITS),
    ("N0016", lambda n: f"k = {'1' * n}", limits.DIGITS),
    ("N0017", lambda n: f"k = 9e{n}", limits.MAGNITUDE),
    ("N0017", lambda n: f"k = 0.1e{n + 1}", limits.MAGNITUDE),
    ("N0017", lambda n: f"k = 100e-{n + 2}", limits.MAGNITUDE),
    ("N0017", lambda n: f"k = 0.00{'3' * 10}E-{n - 3}", limits.MAGNITUDE),
    ("N0018", lambda n: "k" * n + " = 1", limits.NAME_LENGTH),
    ("N0018", lambda n: "ψ" * (n // 3) + "x" * (n % 3) + " = 1", limits.NAME_LENGTH),
    ("N0019", lambda n: "k = f(" + ", ".join(f"n{k}" for k in range(n - 2)) + ")", limits.NAMES),
]  # fmt: skip


@pytest.mark.parametrize("code, text, limit", BOUNDS, ids=[f"{code}-{n}" for n, (code, _, _) in enumerate(BOUNDS)])
def test_at_the_limit_and_beyond(code: str, text: object, limit: int) -> None:
    assert callable(text)
    assert [d.code for d in found(text(limit))] == []
    assert code in {d.code for d in found(text(limit + 1))}


def test_zero_has_no_magnitude() -> None:
    assert found("k = 0e999") == ()
    assert found("k = 0.000e-999") == ()


def test_leading_zeros_of_an_exponent_do_not_count() -> None:
    assert found("k = 1e00000000000000000001") == ()


def test_the_statement_that_is_cut_off_is_not_read() -> None:
    codes = [d.code for d in found("k = f(" + "1, " * limits.TOKENS + "1)")]
    assert codes == ["N0011"]


def test_a_file_too_large_is_not_decoded() -> None:
    with pytest.raises(DiagnosticError) as caught:
        decode(b"\xff" * (limits.SOURCE_BYTES + 100), "large")
    assert [d.code for d in caught.value.diagnostics] == ["N0010"]


def test_bytes_count_not_characters() -> None:
    assert found("#" + "ψ" * (limits.SOURCE_BYTES // 2 - 1)) == ()
    assert [d.code for d in found("#" + "ψ" * (limits.SOURCE_BYTES // 2))] == ["N0010"]
