"""Stability regions of explicit schemes: how far along a ray from the origin |R(z)| ≤ 1 holds.

R(z) = 1 + z bᵀ(I - zA)⁻¹ 1 = 1 + Σ_k (bᵀ A^{k-1} 1) z^k        (one-step)
ζ^k - ζ^{k-1} - z Σ_j w_j ζ^{k-1-j} = 0, all |ζ| ≤ 1             (Adams-Bashforth, weights w_0 … w_{k-1})
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TypeAlias

import numpy as np

from npde.discretize.numeric import Array
from npde.discretize.scheme import AdamsBashforth, ButcherTableau, RungeKutta

Explicit: TypeAlias = RungeKutta | AdamsBashforth

ANGLES = 65
"""Rays of the table between the imaginary and the negative real axis."""

FARTHEST = 8.0
"""Radius within which every region built here ends."""

ROUNDING = 1e-11
"""Eigenvalues this much smaller than the largest are zeros that were rounded."""

TOLERANCE = 1e-11
"""Rounding allowed in |R| ≤ 1."""


def growth(scheme: Explicit, z: Array) -> Array:
    """|R(z)|: the factor a mode with λ dt = z grows by in a step."""
    if isinstance(scheme, RungeKutta):
        value = np.zeros_like(z)
        for c in reversed(polynomial(scheme.tableau)):
            value = value * z + float(c)
        return np.abs(value)
    return np.abs(_roots(scheme, z)).max(axis=0)


def _roots(scheme: AdamsBashforth, z: Array) -> Array:
    """The roots of the characteristic polynomial of a two- or three-step scheme, stacked in front (quadratic formula, Cardano)."""
    now, *before = (float(w) for w in scheme.weights)
    if len(before) == 1:
        half = (1 + now * z) / 2
        root = np.sqrt(half * half + before[0] * z)
        return np.stack([half + root, half - root])
    a, b, c = -(1 + now * z), -before[0] * z, -before[1] * z
    p, q = b - a * a / 3, 2 * a**3 / 27 - a * b / 3 + c
    root = np.sqrt(q * q / 4 + p**3 / 27 + 0j)
    cube = np.where(np.abs(-q / 2 + root) >= np.abs(-q / 2 - root), -q / 2 + root, -q / 2 - root) ** (1 / 3)
    turns = np.exp(2j * np.pi * np.arange(3) / 3).reshape(-1, *[1] * z.ndim)
    safe = np.where(cube == 0, 1, cube)
    found = cube * turns - np.where(cube == 0, 0, p / (3 * safe)) / turns - a / 3
    for _ in range(2):  # Newton's method takes the cancellation out
        slope = (3 * found + 2 * a) * found + b
        value = ((found + a) * found + b) * found + c
        found = found - np.where(np.abs(slope) > 1e-6, value / np.where(slope == 0, 1, slope), 0)
    return found


@cache
def polynomial(tableau: ButcherTableau) -> tuple[Fraction, ...]:
    """The coefficients of R, the constant first."""
    stages = range(len(tableau.b))
    vector = [Fraction(1) for _ in stages]
    found = [Fraction(1)]
    for _ in stages:
        found.append(sum((tableau.b[i] * vector[i] for i in stages), Fraction(0)))
        vector = [sum((tableau.a[i][j] * vector[j] for j in stages), Fraction(0)) for i in stages]
    return tuple(found)


def extent(scheme: Explicit, angles: Array) -> Array:
    """The largest r with |R(s e^{iφ})| ≤ 1 for all 0 ≤ s ≤ r, for each angle φ; 0 where there is none."""
    radii = np.linspace(0.0, FARTHEST, 801)[1:]
    turned = np.exp(1j * angles)
    outside = growth(scheme, radii[None, :] * turned[:, None]) > 1 + TOLERANCE
    first = np.argmax(outside, axis=1)
    low = np.where(first > 0, radii[first - 1], 0.0)
    high = np.where(outside.any(axis=1), radii[first], FARTHEST)
    for _ in range(40):
        middle = (low + high) / 2
        stable = growth(scheme, middle * turned) <= 1 + TOLERANCE
        low, high = np.where(stable, middle, low), np.where(stable, high, middle)
    return low if has_imaginary_interval(scheme) else np.where(angles < np.pi / 2 + 1e-7, 0.0, low)


@cache
def _table(scheme: Explicit) -> tuple[float, ...]:
    return tuple(extent(scheme, np.linspace(np.pi / 2, np.pi, ANGLES)))


@cache
def has_imaginary_interval(scheme: Explicit) -> bool:
    """Whether oscillations are stable for some step: |R(iy)| ≤ 1 near 0."""
    y = np.array([0.02, 0.05, 0.1]) * 1j
    return bool(np.all(growth(scheme, y) <= 1 + TOLERANCE))


@cache
def real_interval(scheme: Explicit) -> float:
    """How far the region reaches along the negative real axis."""
    return float(extent(scheme, np.array([np.pi]))[0])


@cache
def imaginary_interval(scheme: Explicit) -> float:
    """How far it reaches along the imaginary axis."""
    return float(extent(scheme, np.array([np.pi / 2]))[0]) if has_imaginary_interval(scheme) else 0.0


def allowed(scheme: Explicit, eigenvalues: Array) -> Array:
    """For each eigenvalue λ of non-positive real part, the largest dt with λ dt inside the region, to a few digits."""
    angles = np.arctan2(np.abs(eigenvalues.imag), np.minimum(eigenvalues.real, 0.0))
    reach = np.interp(angles, np.linspace(np.pi / 2, np.pi, ANGLES), _table(scheme))
    sizes = np.abs(eigenvalues)
    return np.where(sizes > 0, reach / np.where(sizes > 0, sizes, 1.0), np.inf)


def largest_step(scheme: Explicit, eigenvalues: Array) -> float:
    """The largest dt with λ dt inside the region for all eigenvalues λ of non-positive real part; infinite if all are zero."""
    sizes = np.abs(eigenvalues)
    moving = eigenvalues[sizes > ROUNDING * np.max(sizes, initial=0.0)]
    if not len(moving):
        return float("inf")
    angles = np.arctan2(np.abs(moving.imag), np.minimum(moving.real, 0.0))
    nearest = np.argsort(allowed(scheme, moving), kind="stable")[:24]
    exact = extent(scheme, angles[nearest]) / np.abs(moving[nearest])
    return float(exact.min())
