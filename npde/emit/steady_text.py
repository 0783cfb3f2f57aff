"""The solves of steady problems as text."""

from __future__ import annotations

from npde.emit.solve_text import SolveEmitter
from npde.graph.graph import Node
from npde.graph.layers import IterativeSolve, SteadyFactors, SteadySolve

NEWTON_STEPS = 50
"""Steps of Newton's method whose linear systems are solved by a Krylov method."""


class SteadyEmitter(SolveEmitter):
    """Factors, solves with them, sweeps, and iterations with the gradient of the implicit function theorem."""

    def _steady_factors(self, layer: SteadyFactors) -> str:
        grid, solve = self.graph.scheme.grid.shape, layer.solve
        apply = self._each_sample(self._linear_call(layer.block), solve.per_sample)
        if solve.method == "fft":
            symbol = self._symbol(layer)
            if solve.null:
                symbol = f"{self._helper('regular')}({symbol}, {solve.null!r})"
            return self._inverse(symbol, solve.mirrors)
        arguments = f"{layer.channels}, {grid!r}, {solve.reach!r}, {layer.periodic!r}, self.unit"
        if solve.is_relaxation:
            helper = "main_diagonal" if solve.method == "jacobi" else "multigrid_levels"
            return f"{self._helper(helper)}({apply}, {arguments})"
        options = self._options(solve) + (f", null={solve.null!r}" if solve.null else "")
        call = f"{self._helper('factor_axes' if solve.method == 'axes' else 'factor_lines')}({apply}, {arguments}{options})"
        return f"{self._helper('frozen')}(lambda: {call})"

    def _steady_solve(self, node: Node, layer: SteadySolve, inputs: list[str]) -> None:
        right, factors = inputs
        if layer.solve.is_relaxation:
            self._relax(node, layer, right, factors)
            return
        if layer.solve.method == "fft":
            if layer.solve.null:
                balanced = self._helper("balanced_waves")
                self.writer.assign(right, f"{balanced}({factors}, {right}, {layer.solve.null!r})")
            self.writer.assign(node.name, self._spectral(factors, right, layer.solve.mirrors))
            return
        solve = self._helper("solve_axes" if layer.solve.method == "axes" else "solve_lines")
        null, strict = "", ""
        if layer.solve.null:
            null, strict = f", {layer.solve.null!r}", ", strict=True"
            factors, solve = f"{solve}, {factors}", self._helper("solve_floating")
        call = self._linear_call(layer.block).removeprefix("lambda v: ").replace("(v", f"({node.name}", 1)
        self.writer.assign(node.name, f"{solve}({factors}, {right}.detach(){null}{strict})")
        self.writer.line(
            "# one correction: rounding is refined, and the gradient is that of the implicit function theorem"
        )
        self.writer.assign(node.name, f"{node.name} + {solve}({factors}, {right} - {call}{null})")

    def _relax(self, node: Node, layer: SteadySolve, right: str, factors: str) -> None:
        """One sweep: a damped Jacobi step, or a V-cycle."""
        null = layer.solve.null
        if null:
            mean = f"{right}[:, {list(null)!r}].flatten(2).mean(2)"
            self.writer.assign(right, f"{self._helper('without_constants')}({right}, {null!r}, {mean}, False)")
        if layer.solve.method == "jacobi":
            damping = "2 / 3" if self.dimension == 1 else "4 / 5" if self.dimension == 2 else "6 / 7"
            self.writer.assign(node.name, f"{damping} * {right} / {factors}", "damped, so that it smooths")
            return
        periodic = tuple(a.periodic for a in self.graph.scheme.grid.axes)
        self.writer.assign(node.name, f"{self._helper('v_cycle')}({factors}, {right}, {periodic!r})")

    def _iterate(self, node: Node, layer: IterativeSolve, inputs: list[str]) -> None:
        """Newton's method or a Krylov method; the gradient by one solve with the transposed matrix."""
        w, (state,) = self.writer, inputs
        w.line()
        self._function("residual", f"self.{layer.block}", layer.block)
        if layer.linear is None:
            self._newton(node, layer, state)
            return
        krylov = self._krylov(layer.solve)
        null = layer.solve.null
        self._function("linear", f"self.{layer.linear}", layer.linear)
        transposed = "linear"
        if layer.solve.method != "cg":
            transposed = "transposed"
            self._transposed("linear", "torch.zeros_like(v)")
        forth = back_by = ""
        if layer.solve.preconditioned:
            forth, back_by = self._precondition(layer, state)
        helper, mean = "", ""
        if null:
            helper = self._helper("balanced")
            mean = f", {null!r}"
        right = f"{helper}(residual({state}){mean}, strict=True)" if null else f"residual({state})"
        w.line("with torch.no_grad():")
        with w.indented():
            found = f"{krylov[0]}(linear, {right}, {krylov[1]}{forth})"
            w.assign("found", f"{state} - {f'{helper}({found}{mean})' if null else found}")
        back = f"{krylov[0]}({transposed}, {f'{helper}(g{mean})' if null else 'g'}, {krylov[1]}{back_by})"
        back = f"{helper}({back}{mean})" if null else back
        w.assign(node.name, f"{self._helper('implicit')}(residual, found, lambda g: {back})")

    def _precondition(self, layer: IterativeSolve, state: str) -> tuple[str, str]:
        """The last argument of a Krylov method, and that of its adjoint."""
        solve, grid = layer.solve, self.graph.scheme.grid.shape
        apply = "linear"
        if solve.per_sample:
            each = f"{self._helper('each_sample')}(linear, v, {state}.shape[0])"
            apply = f"lambda v: {each}.unflatten(1, (-1, {layer.channels})).mean(1)"
        arguments = f"{layer.channels}, {grid!r}, {solve.reach!r}, {layer.periodic!r}, self.unit"
        pairs = ", pairs=True" if solve.is_complex else ""
        factors = f"{self._helper('frozen')}(lambda: {self._helper('nearest_axes')}({apply}, {arguments}{pairs}))"
        self.writer.assign("near", f"{self._helper('approximate_inverse')}({factors})")
        return ", near", ", near" if solve.method == "cg" else ", lambda v: near(v, adjoint=True)"

    def _newton(self, node: Node, layer: IterativeSolve, state: str) -> None:
        w, solve, near = self.writer, layer.solve, ""
        newton, implicit = self._helper("newton"), self._helper("implicit")
        steps = solve.iterations if not solve.is_krylov else NEWTON_STEPS
        if solve.is_krylov:
            name, numbers = self._krylov(layer.solve)
            forth = back = ""
            if solve.preconditioned:
                helper, arguments = self._helper("jacobian_preconditioner"), f"{solve.reach!r}, {layer.periodic!r}"
                forth = f", {helper}(residual, x, {arguments})"
                near = f"near = {helper}(residual, found, {arguments})"
                back = ", lambda v: near(v, adjoint=True)"
            step = f"{name}({self._helper('derivative')}(residual, x), b, {numbers}{forth})"
            self._transposed("residual", "found")
            adjoint = f"{name}(transposed, g, {numbers}{back})"
        else:
            factor, lines = self._helper("factor_jacobian"), self._helper("solve_lines")
            arguments = f"{solve.reach!r}, {layer.periodic!r}"
            step = f"{lines}({factor}(residual, x, {arguments}), b)"
            adjoint = f"{lines}({factor}(residual, found, {arguments}), g, adjoint=True)"
        w.line("def step(x: Tensor, b: Tensor) -> Tensor:")
        with w.indented():
            w.line(f"return {step}")
        w.line()
        w.line("with torch.no_grad():")
        with w.indented():
            w.assign("found", f"{newton}(residual, step, {state}, {steps}, {solve.tolerance!r})")
        w.line()
        w.line("def back(g: Tensor) -> Tensor:")
        with w.indented():
            if near:
                w.line(near)
            w.line(f"return {adjoint}")
        w.line()
        w.assign(node.name, f"{implicit}(residual, found, back)")

    def _function(self, name: str, method: str, block: str) -> None:
        """A block as a function of the state alone."""
        w = self.writer
        w.line(f"def {name}(v: Tensor) -> Tensor:")
        with w.indented():
            w.line(f"return {method}({', '.join(['v', *self.constants.extra(block, None)])})")
        w.line()

    def _transposed(self, function: str, at: str) -> None:
        """The transpose of the derivative of a function."""
        w = self.writer
        w.line("def transposed(v: Tensor) -> Tensor:")
        with w.indented():
            w.line(f"return torch.func.vjp({function}, {at})[1](v)[0]")
        w.line()
