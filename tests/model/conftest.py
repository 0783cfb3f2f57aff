"""Short cuts to the checker."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from npde import model, syntax
from npde.diagnostics import Diagnostic
from npde.model import Problem
from npde.options import Overrides
from npde.source import Source


@pytest.fixture
def diagnose() -> Callable[..., list[tuple[str, str]]]:
    """(code, text under the span) of every diagnostic of a text."""

    def run(text: str, overrides: Overrides = Overrides()) -> list[tuple[str, str]]:  # noqa: B008
        source = Source("test.npde", text)
        _, found = model.check(syntax.parse(source), overrides)
        return [(d.code, source.snippet(d.span)) for d in found]

    return run


@pytest.fixture
def hints() -> Callable[[str], list[str]]:
    """The hint of every diagnostic of a text."""

    def run(text: str) -> list[str]:
        found: tuple[Diagnostic, ...] = model.check(syntax.parse(Source("test.npde", text)))[1]
        return [d.hint for d in found]

    return run


@pytest.fixture
def build() -> Callable[..., Problem]:
    """The problem of a text that has no mistake."""

    def run(text: str, overrides: Overrides = Overrides()) -> Problem:  # noqa: B008
        return model.build(syntax.parse(Source("test.npde", text)), overrides)

    return run
