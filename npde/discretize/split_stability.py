"""The largest stable step of schemes that treat a stiff part L apart from the rest N: the amplification matrix of a frozen wave.

With N linearized to A, one step multiplies a wave by

    imex_euler    (1 - hL)⁻¹ (1 + hA)
    cnab2         (1 - hL/2) u'' = (1 + hL/2 + 3hA/2) u' - hA/2 u
    sbdf2         (3/2 - hL) u'' = (2 + 2hA) u' - (1/2 + hA) u
    etd1          e^{hL} + h φ1 A
    etdrk2        G + h φ2 A (G - 1), G that of etd1
    etdrk4        the four stages, in A

and must not make it grow by more than the equation does. Closures at walls are left out: the bound is an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import sympy as sp

from npde.discretize import spectrum
from npde.discretize.linearize import Linearizer
from npde.discretize.numeric import Array
from npde.discretize.samples import Samples
from npde.discretize.scheme import Exponential, Grid, ImplicitExplicit, StepBound
from npde.discretize.spectrum import FATAL, HARMLESS, LARGEST_CHANNELS, MATRICES, SECTOR, Limits
from npde.discretize.stability import Assessment
from npde.discretize.waves import Waves
from npde.symbolic.classify import degrees
from npde.symbolic.system import System

HALVINGS = 24
"""How often the march may be halved in the search for a stable step."""

LEAVES = math.log(1e3)
"""The exponent of growth over a march at which a nonlinear system is taken to leave its initial state."""

MARGIN = 3.0
"""How much faster than the equation itself a growing mode may grow."""


def assess_split(system: System, grid: Grid, scheme: ImplicitExplicit | Exponential, length: float) -> Assessment:
    """The bound over a march of `length`; a violation is only likely."""
    stiff = scheme.implicit if isinstance(scheme, ImplicitExplicit) else scheme.linear
    halves = [[list(sp.Add.make_args(e)) for e in half] for half in (stiff, scheme.explicit)]
    order = system.problem.numerics.order
    both = [[*a, *b] for a, b in zip(*halves, strict=True)]
    sizes = spectrum.sizes_of(system, both)
    channels = sum(sizes.values())
    if channels > LARGEST_CHANNELS:
        note = f"more than {LARGEST_CHANNELS} coupled channels are not analyzed"
        return Assessment(StepBound(None, None, False, (note,)), None, Limits(math.inf), False, (), ())
    waves = spectrum.wave_numbers(grid.axes, order, spectrum.has_odd_derivatives(both), channels)
    thetas = waves or [np.zeros(1)]
    unknowns = [u.symbol for u in system.unknowns]
    linear = all(degrees(e, unknowns) <= {0, 1} for terms in both for e in terms)
    unknown: dict[str, None] = {}
    with np.errstate(all="ignore"):
        backend = Waves(sizes, thetas, [float(a.spacing) for a in grid.axes])
        count = max(1, min(257, MATRICES // (2 * len(thetas[0]) * channels**2)))
        found = []
        for time in _times(system, both):
            samples = Samples(system, grid, order, {}, time)
            linearizer = Linearizer(samples, spectrum.choose_samples(samples, count, both), backend)
            moved = [backend.matrix(spectrum.tangents(linearizer, half, unknown)) for half in halves]  # type: ignore[arg-type]
            found.append(np.broadcast_arrays(*moved))
        matrices = [np.concatenate(half) for half in zip(*found, strict=True)]
        step = _largest(scheme.name, matrices[0], matrices[1], length, HARMLESS if linear else FATAL)
    notes = [f"amplification of frozen waves, over the range of the initial state ({scheme.name})"]
    if any(not a.periodic for a in grid.axes):
        notes.append("closures at walls left out")
    notes += [f"'{name}' is not known before training or running; its terms are left out" for name in unknown]
    notes += samples.notes
    known = step if math.isfinite(step) and not unknown else None
    leaves = not linear and _growth(matrices[0] + matrices[1]) * length > LEAVES
    if leaves:
        notes.append("the initial state is unstable, and the bound says nothing of where it leads")
    bound = StepBound(known, None, False, tuple(notes), None if leaves else known)
    return Assessment(bound, None, Limits(step), False, tuple(sorted(unknown)), ())


def _times(system: System, parts: Sequence[Sequence[sp.Expr]]) -> list[float]:
    """Start, middle and end where the rates depend on the marching coordinate itself, else the start."""
    time = system.problem.time
    if time is None:
        return [0.0]
    start, end = float(time.lower), float(time.upper)
    timed = any(s.name == time.name for terms in parts for e in terms for s in e.free_symbols)
    return [start, (start + end) / 2, end] if timed else [start]


def _growth(matrices: Array) -> float:
    """The largest real part of the eigenvalues."""
    finite = matrices[np.isfinite(matrices).all(axis=(-1, -2))]
    return float(np.linalg.eigvals(finite).real.max(initial=0.0))


def _largest(name: str, stiff: Array, rest: Array, length: float, tolerance: float) -> float:
    """The end of the stable steps, found from below by doubling and then by bisection; infinite if the whole march is stable."""
    stiff, rest = np.broadcast_arrays(stiff.astype(complex), rest.astype(complex))
    shape = stiff.shape[-1]
    stiff, rest = stiff.reshape(-1, shape, shape), rest.reshape(-1, shape, shape)
    finite = np.isfinite(stiff).all(axis=(1, 2)) & np.isfinite(rest).all(axis=(1, 2))
    stiff, rest = stiff[finite], rest[finite]
    own = np.linalg.eigvals(stiff + rest)
    growth = np.maximum(own.real, 0).max(axis=1)
    waving = (np.abs(own.real) <= SECTOR * np.abs(own.imag)).any(axis=1)
    allowed = MARGIN * growth + np.where(waving, math.log(tolerance) / length, 0.0)

    def is_stable(h: float) -> bool:
        matrices = AMPLIFICATION[name](h * stiff, h * rest)
        if not np.all(np.isfinite(matrices)):
            return False
        radius = np.abs(np.linalg.eigvals(matrices)).max(axis=1)
        return bool(np.all(np.log(np.maximum(radius, 1e-300)) <= h * allowed + 1e-9))

    low, high = 0.0, length
    for k in range(HALVINGS, -1, -1):
        h = length / 2**k
        if not is_stable(h):
            high = h
            break
        low = h
    else:
        return math.inf
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if is_stable(middle) else (low, middle)
    return low


# --- amplification matrices of z = hL and w = hA ----------------------------------------------------------------------


def _imex_euler(z: Array, w: Array) -> Array:
    unit = np.eye(z.shape[-1])
    return np.linalg.solve(unit - z, unit + w)


def _two_step(left: Array, now: Array, before: Array) -> Array:
    """left u'' = now u' + before u as a matrix of (u', u)."""
    n = left.shape[-1]
    top = np.linalg.solve(left, np.concatenate([now, before], axis=2))
    bottom = np.broadcast_to(np.eye(n, 2 * n), (len(left), n, 2 * n))
    return np.concatenate([top, bottom], axis=1)


def _cnab2(z: Array, w: Array) -> Array:
    unit = np.eye(z.shape[-1])
    return _two_step(unit - z / 2, unit + z / 2 + 1.5 * w, -w / 2)


def _sbdf2(z: Array, w: Array) -> Array:
    unit = np.eye(z.shape[-1])
    return _two_step(1.5 * unit - z, 2 * unit + 2 * w, -0.5 * unit - w)


def _phi(z: Array, highest: int) -> list[Array]:
    """φ_0 … φ_highest of matrices, by their eigenvalues; where |z| is small, by the series."""
    values, vectors = np.linalg.eig(z)
    inverse = np.linalg.pinv(vectors)
    found = []
    for k in range(highest + 1):
        series = sum(values**j / math.factorial(j + k) for j in range(18))
        direct, factor = np.exp(values), 1.0
        for j in range(k):
            direct = (direct - factor) / np.where(values == 0, 1, values)
            factor /= j + 1
        f = np.where(np.abs(values) < 1, series, direct)
        found.append(vectors @ (f[..., None] * inverse))
    return found


def _etd1(z: Array, w: Array) -> Array:
    e, f1 = _phi(z, 1)
    return e + f1 @ w


def _etdrk2(z: Array, w: Array) -> Array:
    e, f1, f2 = _phi(z, 2)
    first = e + f1 @ w
    return first + f2 @ w @ (first - np.eye(z.shape[-1]))


def _etdrk4(z: Array, w: Array) -> Array:
    half, g = _phi(z / 2, 1)
    g = g / 2
    a = half + g @ w
    b = half + g @ w @ a
    c = half @ a + g @ w @ (2 * b - np.eye(z.shape[-1]))
    e, f1, f2, f3 = _phi(z, 3)
    return e + (f1 - 3 * f2 + 4 * f3) @ w + (2 * f2 - 4 * f3) @ w @ (a + b) + (4 * f3 - f2) @ w @ c


AMPLIFICATION: dict[str, Callable[[Array, Array], Array]] = {
    "imex_euler": _imex_euler,
    "cnab2": _cnab2,
    "sbdf2": _sbdf2,
    "etd1": _etd1,
    "etdrk2": _etdrk2,
    "etdrk4": _etdrk4,
}
