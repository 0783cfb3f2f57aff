"""Options: frozen records that are passed, never globals. All of them override what a file says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from npde.records import dataclass

NetworkKind = Literal["cnn", "mlp", "rnn"]
FreeKind = Literal["none", "kernels", "layers"]


@dataclass(frozen=True, slots=True)
class MarchOption:
    """`--march rk4,steps=100`: what is None keeps the file's value. `dt` is exact, or "auto"."""

    scheme: str | None = None
    along: str | None = None
    steps: int | None = None
    dt: Fraction | Literal["auto"] | None = None
    tolerance: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line or Python says instead of the file: `--grid --order --march --set --extent --network`."""

    grid: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    order: int | None = None
    march: MarchOption | None = None
    network: NetworkKind | None = None
    set: Mapping[str, Fraction] = field(default_factory=lambda: MappingProxyType({}))
    extent: Mapping[str, tuple[Fraction, Fraction]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """How a `Scheme` becomes a network: realisation (None: it follows from the equation) and what trains."""

    network: NetworkKind | None = None
    free: FreeKind = "none"
