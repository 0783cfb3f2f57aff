"""Solves, propagators and sparse matrices as text."""

from __future__ import annotations

from typing import assert_never

from npde.discretize.scheme import LinearSolve, Mirrors
from npde.emit.printer import PRODUCT
from npde.emit.wall_text import WallEmitter
from npde.graph.graph import Node, Region, inputs_of
from npde.graph.layers import (
    AdaptiveStep,
    AffineWeights,
    Factorization,
    KernelMatrix,
    KrylovSolve,
    NewtonLayer,
    PhiFunctions,
    Propagator,
    SolveLayer,
    SteadyFactors,
    Weight,
)

KRYLOV = {"cg": "conjugate_gradients", "bicgstab": "bicgstab", "gmres": "gmres"}
"""The helpers of Krylov methods."""


def _factored_by(solve: LinearSolve) -> tuple[str, str]:
    """The helpers that factor a matrix (or what is close to it), and that solve with the factors."""
    if solve.is_krylov:
        return "nearest_axes", "solve_axes"
    if solve.method == "axes":
        return "factor_axes", "solve_axes"
    return ("factor_lines", "solve_lines") if solve.per_sample else ("factor_tridiagonal", "solve_factored")


class SolveEmitter(WallEmitter):
    """Layers that need the linear part as a matrix."""

    def _linear_call(self, block: str, timed: str = "") -> str:
        """The linear part as a function of the state alone."""
        arguments = self.constants.extra(block, None)
        if "t" in self.graph.block(block).inputs:
            arguments.insert(0, timed or "p.t")
        return f"lambda v: self.{block}({', '.join(['v', *arguments])})"

    def _symbol(self, layer: Propagator | PhiFunctions | Factorization | SteadyFactors, timed: str = "") -> str:
        """The matrix by which the linear part acts on each wave, [*frequencies, C, C], or one of them a sample."""
        match layer:
            case Propagator(mirrors=mirrors, per_sample=per_sample):
                pass
            case PhiFunctions(per_sample=per_sample):
                mirrors = ()
            case Factorization(solve=solve) | SteadyFactors(solve=solve):
                mirrors, per_sample = solve.mirrors, solve.per_sample
            case _:
                assert_never(layer)
        apply = self._each_sample(self._linear_call(layer.block, timed), per_sample)
        call = f"{apply}, {layer.channels}, {self.graph.scheme.grid.shape!r}"
        if mirrors:
            text = f"{self._helper('symbol_walls')}({call}, {mirrors!r}, self.unit)"
        else:
            text = f"{self._helper('symbol_of')}({call}, self.unit)"
        return f"{text}.unflatten(-2, (-1, {layer.channels})).movedim(-3, 0)" if per_sample else text

    def _each_sample(self, apply: str, per_sample: bool) -> str:
        """A map of probes that answers for every sample, where its coefficients differ by sample."""
        if not per_sample:
            return apply
        batch = "state.shape[0]" if "state" in self.block.inputs else f"{inputs_of(self.block)[0]}.shape[0]"
        return f"lambda v: {self._helper('each_sample')}({apply}, v, {batch})"

    def _inverse(self, symbol: str, mirrors: Mirrors) -> str:
        """The inverse of a symbol, for each wave."""
        if mirrors:
            return f"{self._helper('inverse_walls')}({symbol}, {self.graph.scheme.grid.shape!r}, {mirrors!r})"
        return f"torch.linalg.inv({symbol})"

    def _spectral(self, matrices: str, value: str, mirrors: Mirrors) -> str:
        """A matrix for each wave, applied."""
        if mirrors:
            return f"{self._helper('spectral_walls')}({matrices}, {value}, {mirrors!r})"
        return f"{self._helper('spectral')}({matrices}, {value})"

    def _propagator(self, layer: Propagator, inputs: list[str]) -> str:
        symbol = self._symbol(layer, *inputs)
        time = self.constants.printer({}).text(layer.time, PRODUCT)
        return f"torch.linalg.matrix_exp({time} * {symbol})" if layer.channels > 1 else f"torch.exp({time} * {symbol})"

    def _phi_functions(self, layer: PhiFunctions) -> str:
        symbol = self._symbol(layer)
        printer = self.constants.printer({})
        rows = [f"({', '.join(map(printer.text, w))}{',' * (len(w) == 1)})" for w in layer.weights]
        weights = f"({', '.join(rows)}{',' * (len(rows) == 1)})"
        return f"{self._helper('phi_functions')}({printer.text(layer.time, PRODUCT)} * {symbol}, {weights})"

    def _factorization(self, layer: Factorization, inputs: list[str]) -> str:
        grid, solve = self.graph.scheme.grid.shape, layer.solve
        factor = self.constants.printer({}).text(layer.factor, PRODUCT)
        if solve.method == "fft":
            inverted = f"torch.eye({layer.channels}).to(self.unit) - {factor} * {self._symbol(layer, *inputs)}"
            return self._inverse(inverted, solve.mirrors)
        apply = self._each_sample(self._implicit_map(layer, inputs), solve.per_sample)
        arguments = f"{layer.channels}, {grid!r}, {solve.reach!r}, {layer.periodic!r}, self.unit"
        if solve.is_krylov and solve.per_sample:
            apply += f".unflatten(1, (-1, {layer.channels})).mean(1)"
        helper = self._helper(_factored_by(solve)[0])
        return f"{self._helper('frozen')}(lambda: {helper}({apply}, {arguments}{self._options(solve)}))"

    def _implicit_map(self, layer: Factorization | KrylovSolve, times: list[str]) -> str:
        """`I - factor L`."""
        factor = self.constants.printer({}).text(layer.factor, PRODUCT)
        return self._linear_call(layer.block, *times).replace("lambda v: ", f"lambda v: v - {factor} * ", 1)

    def _krylov(self, solve: LinearSolve) -> tuple[str, str]:
        """The helper of a Krylov method, and its iterations and tolerance."""
        return self._helper(KRYLOV[solve.method]), f"{solve.iterations}, {solve.tolerance!r}"

    def _krylov_solve(self, node: Node, layer: KrylovSolve, inputs: list[str]) -> None:
        right, *more = inputs
        method, numbers = self._krylov(layer.solve)
        options = ", symmetric=True" if layer.solve.method == "cg" else ""
        if layer.solve.preconditioned:
            near, *more = more
            options += f", near={self._helper('approximate_inverse')}({near})"
        helper = self._helper("krylov_step")
        call = f"{helper}({method}, {self._implicit_map(layer, more)}, {right}, {numbers}{options})"
        self.writer.assign(node.name, call)

    def _options(self, solve: LinearSolve) -> str:
        """What a factorization is told of its matrix."""
        symmetric = f", symmetric={solve.symmetric}" if solve.method == "axes" else ""
        return symmetric + (", pairs=True" if solve.is_complex else "")

    def _flatten(self, node: Node, source: str) -> str:
        """The grid as one axis; what does not vary along an axis is expanded first."""
        of = self._node(node.inputs[0])
        grid = self.graph.scheme.grid.shape
        if of.shape.extents == grid:
            return f"{source}.flatten(-{self.dimension})" if self.dimension > 1 else source
        if all(e == 1 for e in of.shape.extents) and (of.shape.batch or isinstance(of.layer, Weight)):
            return f"{source}[{', '.join(['...', *['0'] * (self.dimension - 1), ':'])}]"
        # A coefficient has an axis for its components, or two.
        whole = grid if any(e > 1 for e in of.shape.extents) else of.shape.extents
        lead = ["-1", of.shape.channels] if of.shape.batch else [f"*{source}.shape[:-{self.dimension}]"]
        shape = ", ".join(map(str, [*lead, *whole]))
        return f"{source}.expand({shape})" + (f".flatten(-{self.dimension})" if self.dimension > 1 else "")

    def _affine_weights(self, layer: AffineWeights) -> str:
        """The matrix of an affine block; a released one brings its own weights."""
        grid = self.graph.scheme.grid.shape
        if layer.released is not None:
            stored = self.constants.parameters[layer.released]
            weights = f"self.{layer.released}" if stored.steps is None else f"p.{layer.released}"
            weights += "[stage]" if stored.stages else ""
            apply = self._linear_call(layer.block, timed="START * self.unit")
            zero = f"torch.zeros(1, {layer.channels}, {', '.join(map(str, grid))}).to(self.unit)"
            call = apply.removeprefix("lambda v: ").replace("(v", f"({zero}", 1)
            return f"({weights}, self.columns_{layer.block}, {call}.flatten())"
        self._helper("diagonals")
        apply = self._linear_call(layer.block, timed="START * self.unit")
        return (
            f"{self._helper('assemble')}({apply}, {layer.channels}, {grid!r}, "
            f"{self.constants.pattern(layer)}, {layer.periodic!r}, self.unit)"
        )

    def _sparse_affine(self, node: Node, inputs: list[str]) -> str:
        """`W x + b`; a bias that depends on the time is that of the block, evaluated now."""
        source, matrix, *time = inputs
        text = f"{self._helper('affine')}({matrix}, {source})"
        weights = self._node(node.inputs[1])
        block = self.graph.block(self.constants.block_of_matrix(weights))
        if not time or "t" not in block.inputs:
            return text
        layer = self.constants.matrices[block.name]
        grid = self.graph.scheme.grid.shape
        zero = f"torch.zeros(1, {layer.channels}, {', '.join(map(str, grid))}).to(self.unit)"
        now = f"self.{block.name}({', '.join([zero, time[0], *self.constants.extra(block.name, None)])})"
        rows = node.shape.channels
        return f"{text} + ({now}.flatten() - {matrix}[2]).reshape({rows}, -1)"

    def _adaptive(self, node: Node, layer: AdaptiveStep, inputs: list[str]) -> None:
        """One interval by itself; a march carries step size and interpolation on, see `MarchWriter`."""
        begin = inputs[1] if len(inputs) > 1 else ""
        rate = self.adaptive_rate(layer, begin, "0.0")
        call = f"{self._helper(layer.scheme)}({rate}, {inputs[0]}, None, 0.0, DT, DT, {layer.tolerance!r})"
        self.writer.assign(f"{node.name}, _", call)

    def adaptive_rate(self, layer: AdaptiveStep, begin: str, shift: str) -> str:
        """The rate as a function of the state and of the time t, `shift` at the absolute time `begin`."""
        moved = f"{begin} + t" if shift == "0.0" else f"{begin} + (t - {shift})"
        return self._linear_call(layer.block, timed=moved).replace("lambda v:", "lambda v, t:", 1)

    def _newton_step(self, node: Node, layer: NewtonLayer, inputs: list[str]) -> None:
        known, guess, *time = inputs
        rate = self._linear_call(layer.block, timed=time[0] if time else "").removeprefix("lambda v: ")
        update = f"lambda v: {known} + {self.constants.printer({}).text(layer.factor, PRODUCT)} * {rate}"
        if layer.solve.is_krylov:
            method, numbers = self._krylov(layer.solve)
            near = ""
            if layer.solve.preconditioned:
                arguments = f"r, v, {layer.solve.reach!r}, {layer.periodic!r}"
                near = f", lambda r, v: {self._helper('jacobian_preconditioner')}({arguments})"
            call = f"{self._helper('newton_krylov_step')}({update}, {guess}, {method}, {numbers}{near})"
        else:
            call = f"{self._helper('newton_step')}({update}, {guess}, {layer.solve.reach!r}, {layer.periodic!r})"
        self.writer.assign(node.name, call)

    def _solve(self, node: Node, layer: SolveLayer, inputs: list[str]) -> None:
        right, factors, *times = inputs
        if layer.solve.method == "fft":
            self.writer.assign(node.name, self._spectral(factors, right, layer.solve.mirrors))
            return
        factor = self.constants.printer({}).text(layer.factor, PRODUCT)
        solve = self._helper(_factored_by(layer.solve)[1])
        call = self._linear_call(layer.block, *times).removeprefix("lambda v: ").replace("(v", f"({node.name}", 1)
        self.writer.assign(node.name, f"{solve}({factors}, {right}.detach())")
        self.writer.line(
            "# one correction: rounding is refined, and the gradient is that of the implicit function theorem"
        )
        residual = f"{right} - ({node.name} - {factor} * {call})"
        self.writer.assign(node.name, f"{node.name} + {solve}({factors}, {residual})")

    def _kernel_matrix(self, node: Node, layer: KernelMatrix, inputs: list[str]) -> None:
        columns = [self.constants.coordinate(a, Region((0,) * self.dimension)) for a in layer.axes]
        names = dict(zip(layer.symbols, inputs, strict=True))
        if len(columns) == 1:
            flats = [f"{columns[0]}.flatten()"]
        else:
            flats = [f"{node.name}_{k}" for k in range(len(columns))]
            joined = ", ".join(columns)
            self.writer.assign(", ".join(flats), f"(v.flatten() for v in torch.broadcast_tensors({joined}))")
        for flat, own, other in zip(flats, layer.coordinates, layer.primed, strict=True):
            names[own] = f"{flat}[:, None]"
            names[other] = f"{flat}[None, :]"
        printer = self.constants.printer(names)
        text = printer.text(layer.expression, PRODUCT)
        if printer.is_constant(layer.expression):
            text = f"{text} * torch.ones_like({flats[0]}[:, None] + {flats[0]}[None, :])"
        volume = " * ".join(self.constants.spacing(a) for a in layer.axes)
        self.writer.assign(node.name, f"{volume} * {text}")
