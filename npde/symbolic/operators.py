"""The SymPy vocabulary of a `System`: operators on grids that SymPy carries but never evaluates.

Every expression stands for a real array over components and the grid; SymPy's commutative algebra acts on it entry by
entry, which is sound because every function below that is not pointwise is opaque to SymPy. All symbols are real.
"""

from __future__ import annotations

import sympy as sp


class GridOperator(sp.Function):
    """Base of what is not pointwise: needs neighbors, sums, or learned weights. Never evaluated by SymPy."""

    is_real = True
    is_commutative = True

    @classmethod
    def eval(cls, *arguments: sp.Expr) -> None:  # noqa: ARG003 - SymPy's protocol
        return None


# --- differential operators; linear in their first argument -----------------------------------------------------------


class Diff(GridOperator):
    """`Diff(e, x, n)`: ∂ⁿe/∂xⁿ, centered. Mixed derivatives nest: ∂²/∂x∂y is `Diff(Diff(e, x, 1), y, 1)`."""


class Lap(GridOperator):
    """`Lap(e)`: Σ ∂²e/∂xᵢ² over the space coordinates."""


class FaceDiff(GridOperator):
    """`FaceDiff(F, x)`: ∂F/∂x in flux form. F is evaluated at the faces across x: unknowns interpolated, `Diff(·, x, 1)`
    in it staggered, closed forms at face coordinates, learned arrays and inputs the mean of the two cells."""


class Biased(GridOperator):
    """`Biased(e, x, l, u)`: ∂e/∂x by the cells j - l … j + u: upwind-biased for l ≠ u."""


class FluxDissipation(GridOperator):
    """`FluxDissipation(a, e, x, n)`, n = 2k - 1: `(-1)^(k-1) Δ(A δⁿe)/(k C(2k, k) h)`, Δ between the faces of a cell, A the larger
    of a in the two cells at a face, a ≥ 0. Where a is constant, `a Biased(e, x, k, k) + …` are upwind-biased differences."""


# --- components -------------------------------------------------------------------------------------------------------


class Component(GridOperator):
    """`Component(e, k)`: component k of an array with components."""


class Stack(GridOperator):
    """`Stack(e0, e1, …)`: scalars as the components of one array."""


class MatVec(GridOperator):
    """`MatVec(A, e)`: Σ_c A[o, c] e_c."""


class DotProduct(GridOperator):
    """`DotProduct(a, b)`: Σ_c a_c b_c."""


class Hold(GridOperator):
    """`Hold(a, x, …)`: a learned array or input that inside the absorbing layers of the axes keeps the value next to them."""


class Stretch(GridOperator):
    """`Stretch(x, k, a, b, w, t, m)`: a coefficient of the complex stretching s = 1 + i t (d/w)^m of an axis on [a, b] whose
    layers are w wide: real and imaginary part of 1/s (k = 0, 1), of 1/s² (2, 3), and of (1/s)(1/s)' (4, 5)."""

    NAMES = ("re 1/s", "im 1/s", "re 1/s^2", "im 1/s^2", "re (1/s)*d(1/s)", "im (1/s)*d(1/s)")


# --- sums over the grid -----------------------------------------------------------------------------------------------


class IntegralOf(GridOperator):
    """`IntegralOf(e, x, …)`: midpoint sum h Σ e over the axes; the result is constant along them."""


class MeanOf(GridOperator):
    """`MeanOf(e, x, …)`."""


class SumOf(GridOperator):
    """`SumOf(e, x, …)`: no quadrature weight."""


class Nonlocal(GridOperator):
    """`Nonlocal(W, e, x, …)`: ∫ W(x, x') e(x') dx' over the listed axes; e is written unprimed. W is the symbol of a
    learned kernel, or a closed form in the coordinate symbols and their primed twins (`primed(x)`)."""


class NonlocalConvolution(GridOperator):
    """`NonlocalConvolution(w, e, x, …)`: ∫ w(x - x') e(x') dx' over the listed axes, w the symbol of a learned coefficient
    over these axes, and maybe others."""


# --- learned layers ---------------------------------------------------------------------------------------------------


class KernelApply(GridOperator):
    """`KernelApply(K, e)`: learned stencil K as a cross-correlation."""


class KernelAdjoint(GridOperator):
    """`KernelAdjoint(K, e)`: the transpose of the linear part of `KernelApply(K, ·)`, its boundary closure included.

    The third argument is the unknown whose ghost rules close K: `KernelAdjoint(K, e, u)`."""


class ClosureApply(GridOperator):
    """`ClosureApply(f, a, b, …)`: learned pointwise closure f."""


class LiftOf(GridOperator):
    """`LiftOf(e, k, n)`: occurrence k of `lift`, onto n components."""


class LinearOf(GridOperator):
    """`LinearOf(e, k, n)`: occurrence k of `linear`, n outputs."""


class RegionsOf(GridOperator):
    """`RegionsOf(e, n)`: integrals over n tiles, a vector of n components."""


class NoiseOf(GridOperator):
    """`NoiseOf(seed, amplitude, n)`: uniform in ±amplitude by an integer hash of seed, component (of n) and cell."""


# --- pointwise functions that SymPy lacks or would rewrite -------------------------------------------------------------


class Sigmoid(sp.Function):
    """1 / (1 + e^{-z})."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return self * (1 - self)


class Softplus(sp.Function):
    """log(1 + e^z)."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return Sigmoid(self.args[0])


class Step(sp.Function):
    """1 where z > 0, else 0: the derivative of `Relu`."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return sp.Integer(0)


class Relu(sp.Function):
    """max(z, 0)."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return Step(self.args[0])


class Gelu(sp.Function):
    """z Φ(z), Φ the normal distribution function (exact, not the tanh approximation)."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        z = self.args[0]
        return (1 + sp.erf(z / sp.sqrt(2))) / 2 + z * sp.exp(-(z**2) / 2) / sp.sqrt(2 * sp.pi)


class Minimum(sp.Function):
    """min(a, b), entry by entry."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, b = self.args
        return Step(b - a) if argindex == 1 else 1 - Step(b - a)


class Maximum(sp.Function):
    """max(a, b), entry by entry."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        a, b = self.args
        return Step(a - b) if argindex == 1 else 1 - Step(a - b)


class AbsoluteValue(sp.Function):
    """|z| of a real z."""

    is_real = True

    def fdiff(self, argindex: int = 1) -> sp.Expr:
        return 2 * Step(self.args[0]) - 1


class Where(sp.Function):
    """`Where(relation, a, b)`: a where the relation holds. The relation is one of SymPy's, unevaluated."""

    is_real = True

    @classmethod
    def eval(cls, relation: sp.Expr, then: sp.Expr, otherwise: sp.Expr) -> sp.Expr | None:
        if relation in (sp.true, sp.false):
            return then if relation == sp.true else otherwise
        return then if then == otherwise else None

    def _eval_derivative(self, symbol: sp.Symbol) -> sp.Expr:
        relation, then, otherwise = self.args
        return Where(relation, then.diff(symbol), otherwise.diff(symbol))


DIFFERENTIAL = (Diff, Lap, FaceDiff, Biased, FluxDissipation)
"""Operators that look at neighboring cells and so at ghost cells."""


def primed(coordinate: sp.Symbol) -> sp.Symbol:
    """The integration variable x' that goes with x."""
    return sp.Symbol(coordinate.name + "'", real=True)
