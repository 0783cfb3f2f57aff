"""Strategies by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite

from npde.diagnostics import DiagnosticError
from npde.diagnostics.catalogue import training as codes
from npde.diagnostics.catalogue import unsupported
from npde.source import Source
from npde.train.adam import Adam
from npde.train.lbfgs import Lbfgs
from npde.train.strategy import Strategy

STRATEGIES: Mapping[str, type[Strategy]] = {"adam": Adam, "lbfgs": Lbfgs}
"""Strategies by the names of `npde train --strategy`."""

PLANNED = ("lstsq", "pil", "constrained")
"""Strategies of the design that are not there yet."""


def choose_strategy(strategy: str | Strategy, lr: float | None = None) -> Strategy:
    """The strategy of that name with its defaults, or the given one; `lr` replaces its learning rate.

    Raises:
        DiagnosticError: N1118 no such strategy, N0900 not there yet, N1119 a rate out of range.
    """
    if lr is not None and not (isfinite(lr) and lr > 0):
        raise _failure(codes.BAD_OPTION.at(option="lr", found=lr, expected="a positive number"))
    chosen = _named(strategy) if isinstance(strategy, str) else strategy
    return chosen if lr is None else replace(chosen, lr=lr)  # type: ignore[type-var]


def _named(name: str) -> Strategy:
    if name in PLANNED:
        raise _failure(
            unsupported.NOT_YET.at(what=f"The strategy '{name}'", why="", hint="`adam` and `lbfgs` work today.")
        )
    if name not in STRATEGIES:
        present = ", ".join(f"'{known}'" for known in STRATEGIES)
        raise _failure(codes.UNKNOWN_OPTION.at(kind="strategy", name=name, present=present))
    return STRATEGIES[name]()


def _failure(diagnostic: object) -> DiagnosticError:
    return DiagnosticError([diagnostic], Source("training", ""))  # type: ignore[list-item]
