"""The catalogue: every code well formed, explained, and in its place."""

from __future__ import annotations

import re
import string
from types import ModuleType

import pytest

from npde.diagnostics import CATALOGUE, Code, Collector, Diagnostic, DiagnosticError, InternalError, NpdeError, explain
from npde.diagnostics import catalogue as package
from npde.source import Source, Span

CODES = list(CATALOGUE.values())


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}


def test_the_catalogue_is_ordered_and_large() -> None:
    assert list(CATALOGUE) == sorted(CATALOGUE)
    assert len(CATALOGUE) >= 150


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.id)
def test_every_code_is_well_formed(code: Code) -> None:
    assert re.fullmatch(r"N\d{4}", code.id)
    assert code.message.endswith((".", "?")) or "{" in code.message[-12:]
    assert code.message[0].isupper() or code.message[0] in "'{`"
    assert "\n" not in code.message
    assert len(code.explanation) > 10
    made = code.at(Span(0, 1), **dict.fromkeys(fields(code.message) | fields(code.label), "{x}"))
    assert made.code == code.id
    assert made.severity == code.severity


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.id)
def test_every_code_is_explained(code: Code) -> None:
    text = explain(code.id.lower())
    assert text.startswith(f"{code.severity}[{code.id}]: ")
    assert max(len(line) for line in text.split("For example:")[0].splitlines()) <= 80
    for line in code.example.splitlines():
        assert line in text


def test_an_unknown_code_is_not_explained() -> None:
    with pytest.raises(NpdeError, match=r"'N0203x'.*nearest is 'N0203'"):
        explain("N0203x")
    with pytest.raises(NpdeError, match="no diagnostic"):
        explain("hello")


def _with_codes(monkeypatch: pytest.MonkeyPatch, *codes: Code) -> None:
    module = ModuleType("made")
    for index, code in enumerate(codes):
        setattr(module, f"CODE{index}", code)
    monkeypatch.setattr(package, "RANGES", {"N00": "made"})
    monkeypatch.setattr(package, "import_module", lambda _: module)


def test_two_codes_may_not_share_an_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_codes(monkeypatch, Code("N0001", "A."), Code("N0001", "B."))
    with pytest.raises(InternalError, match="N0001"):
        package.catalogue.__wrapped__()


def test_a_code_stands_in_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_codes(monkeypatch, Code("N0101", "A."))
    with pytest.raises(InternalError, match="N0101"):
        package.catalogue.__wrapped__()


def test_data_of_the_user_are_no_templates() -> None:
    code = Code("N0001", "'{name}' is wrong.", "label {name}")
    assert code.at(Span(0, 1), name="{other} {0}").message == "'{other} {0}' is wrong."


def test_a_collector_keeps_one_of_a_kind_at_a_place() -> None:
    collector = Collector(Source("a", "text"))
    collector.add(Diagnostic("N0002", "B.", Span(2, 3)))
    collector.add(Diagnostic("N0001", "A.", Span(1, 2)))
    collector.add(Diagnostic("N0001", "A again.", Span(1, 2)))
    collector.add(Diagnostic("N0003", "W.", Span(0, 1), severity="warning"))
    with pytest.raises(DiagnosticError) as caught:
        collector.raise_errors()
    assert [d.code for d in caught.value.diagnostics] == ["N0001", "N0002", "N0003"]
    assert str(caught.value).splitlines()[0] == "a:1:2: error[N0001]: A."


def test_warnings_alone_raise_nothing() -> None:
    collector = Collector(Source("a", "text"))
    collector.add(Diagnostic("N0003", "W.", Span(0, 1), severity="warning"))
    collector.raise_errors()
    assert len(collector.warnings) == 1
