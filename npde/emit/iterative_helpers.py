"""Newton's method, Krylov methods and relaxation, as emitted files carry them.

All are batch-wide: every sample has its own steps, and goes on until the last one is done."""

from __future__ import annotations

ITERATIVE: dict[str, str] = {}
"""By name, in the order in which they are emitted."""

ITERATIVE_NEEDS: dict[str, tuple[str, ...]] = {
    "implicit": ("ImplicitRoot",),
    "newton": ("NotConverged", "norms"),
    "conjugate_gradients": ("NotConverged", "products"),
    "bicgstab": ("NotConverged", "products"),
    "gmres": ("NotConverged", "products", "norms"),
    "norms": ("products",),
    "factor_jacobian": ("derivative", "factor_lines", "solve_lines"),
    "jacobian_preconditioner": ("derivative", "nearest_axes", "approximate_inverse"),
    "main_diagonal": ("diagonals",),
    "multigrid_levels": ("diagonals", "neighborhood", "prolong", "restrict"),
    "v_cycle": ("prolong", "restrict"),
}
"""Helpers that call other helpers."""

ITERATIVE["NotConverged"] = '''
class NotConverged(RuntimeError):
    """An iteration that ended before its tolerance; `history` holds the relative residual (of the worst sample) at each step."""

    def __init__(self, method: str, history: list[float]) -> None:
        last = ", ".join(f"{size:.2e}" for size in history[-3:])
        super().__init__(f"{method} did not converge in {len(history) - 1} iterations; relative residual ... {last}")
        self.method = method
        self.history = history
'''

ITERATIVE["ImplicitRoot"] = '''
class ImplicitRoot(torch.autograd.Function):
    """x with F(x) = 0 as a function of what F depends on: dx = -J^-1 dF, so a gradient g goes back as -J^-T g."""

    @staticmethod
    def forward(ctx, value: Tensor, solution: Tensor, solve_adjoint: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.solve_adjoint = solve_adjoint
        return solution.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        return -ctx.solve_adjoint(gradient), None, None
'''

ITERATIVE["implicit"] = '''
def implicit(
    residual: Callable[[Tensor], Tensor], solution: Tensor, solve_adjoint: Callable[[Tensor], Tensor]
) -> Tensor:
    """A root of `residual` with the gradient of the implicit function theorem; `solve_adjoint` solves J^T y = g."""
    if not torch.is_grad_enabled():
        return solution
    return ImplicitRoot.apply(residual(solution.detach()), solution, solve_adjoint)
'''

ITERATIVE["products"] = '''
def products(a: Tensor, b: Tensor) -> Tensor:
    """The inner product of each sample of [B, C, *grid], as [B, 1, ...]."""
    return (a * b).flatten(1).sum(1).reshape(-1, *[1] * (a.dim() - 1))
'''

ITERATIVE["norms"] = '''
def norms(a: Tensor) -> Tensor:
    """The Euclidean norm of each sample."""
    return products(a, a).sqrt()
'''

ITERATIVE["newton"] = '''
def newton(
    residual: Callable[[Tensor], Tensor],
    solve: Callable[[Tensor, Tensor], Tensor],
    state: Tensor,
    iterations: int,
    tolerance: float,
) -> Tensor:
    """x with F(x) = 0 by Newton's method from `state`; `solve(x, b)` solves J(x) d = b.

    A step is halved until the residual falls by a share of what it promises (Armijo). The end is a relative residual of
    `tolerance`, or what rounding leaves of it: the answer of F to changes of the last digits.
    """
    value = residual(state)
    size = first = norms(value)
    grid = [torch.arange(n, device=state.device).reshape(-1, *[1] * k) for k, n in enumerate(reversed(state.shape[2:]))]
    rough = torch.finfo(state.dtype).eps * (1 - 2 * (sum(grid, torch.zeros_like(state, dtype=torch.int64)) % 2))
    history = []
    for _ in range(iterations + 1):
        rounding = norms(residual(state + rough * state) - value)
        done = size <= torch.maximum(tolerance * first, 8 * rounding)
        history.append(float((size / first.clamp(min=torch.finfo(size.dtype).tiny)).max()))
        if bool(done.all()):
            return state
        step, scale = solve(state, value), torch.ones_like(size)
        for _ in range(30):
            trial = state - scale * step
            after = residual(trial)
            falls = norms(after) <= (1 - 1e-4 * scale) * size
            if bool((falls | done).all()):
                break
            scale = torch.where(falls, scale, scale / 2)
        else:
            raise NotConverged("Newton's method, for which no shorter step reduces the residual,", history)
        state, value = torch.where(done, state, trial), torch.where(done, value, after)
        size = norms(value)
    raise NotConverged("Newton's method", history)
'''

ITERATIVE["derivative"] = '''
def derivative(function: Callable[[Tensor], Tensor], at: Tensor) -> Callable[[Tensor], Tensor]:
    """v -> J v, the Jacobian at `at`, as the transpose of the transpose: w -> J^T w is linear."""

    def transposed(w: Tensor) -> Tensor:
        return torch.func.vjp(function, at)[1](w)[0]

    _, twice = torch.func.vjp(transposed, torch.zeros_like(at))
    return lambda v: twice(v)[0]
'''

ITERATIVE["factor_jacobian"] = '''
def factor_jacobian(
    residual: Callable[[Tensor], Tensor],
    state: Tensor,
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
) -> tuple[Tensor, ...]:
    """The Jacobian of F at `state`, one a sample, by `factor_lines`."""

    along = derivative(residual, state)

    def apply(value: Tensor) -> Tensor:
        return torch.func.vmap(lambda v: along(v.expand_as(state)))(value).flatten(1, 2)

    return factor_lines(apply, state.shape[1], tuple(state.shape[2:]), reach, periodic, state.new_ones(()))
'''

ITERATIVE["jacobian_preconditioner"] = '''
def jacobian_preconditioner(
    residual: Callable[[Tensor], Tensor],
    state: Tensor,
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
) -> Callable[..., Tensor]:
    """That of `nearest_axes` of the Jacobian of F at `state`, its mean over the samples."""
    along = derivative(residual, state)

    def apply(value: Tensor) -> Tensor:
        return torch.func.vmap(lambda v: along(v.expand_as(state)).mean(0))(value)

    grid, unit = tuple(state.shape[2:]), state.new_ones(())
    with torch.no_grad():
        return approximate_inverse(nearest_axes(apply, state.shape[1], grid, reach, periodic, unit))
'''

ITERATIVE["conjugate_gradients"] = '''
def conjugate_gradients(
    apply: Callable[[Tensor], Tensor],
    right: Tensor,
    iterations: int,
    tolerance: float,
    precondition: Callable[[Tensor], Tensor] = lambda v: v,
) -> Tensor:
    """x with A x = b, A and what it is preconditioned by symmetric and definite of one sign, for [B, C, *grid].
    Hestenes & Stiefel (1952)."""
    found, rest, direction = torch.zeros_like(right), right, torch.zeros_like(right)
    first = products(right, right)
    before = torch.ones_like(first)
    tolerance = max(tolerance, 4 * torch.finfo(right.dtype).eps)
    history = []
    for _ in range(iterations + 1):
        size = products(rest, rest)
        running = size > tolerance**2 * first
        history.append(float((size / first.clamp(min=torch.finfo(size.dtype).tiny)).max().sqrt()))
        if not bool(running.any()):
            return found
        near = precondition(rest)
        overlap = products(rest, near)
        direction = near + torch.where(running, overlap / torch.where(running, before, 1.0), 0.0) * direction
        image = apply(direction)
        length = torch.where(running, overlap / torch.where(running, products(direction, image), 1.0), 0.0)
        found, rest, before = found + length * direction, rest - length * image, overlap
    raise NotConverged("CG", history)
'''

ITERATIVE["bicgstab"] = '''
def bicgstab(
    apply: Callable[[Tensor], Tensor],
    right: Tensor,
    iterations: int,
    tolerance: float,
    precondition: Callable[[Tensor], Tensor] = lambda v: v,
) -> Tensor:
    """x with A x = b for [B, C, *grid], preconditioned from the right. van der Vorst (1992)."""
    found, rest, shadow = torch.zeros_like(right), right, right
    direction = rest
    first = products(right, right)
    tolerance = max(tolerance, 4 * torch.finfo(right.dtype).eps)
    overlap, history = products(shadow, rest), []
    for _ in range(iterations + 1):
        size = products(rest, rest)
        running = size > tolerance**2 * first
        history.append(float((size / first.clamp(min=torch.finfo(size.dtype).tiny)).max().sqrt()))
        if not bool(running.any()):
            return found

        def ratio(a: Tensor, b: Tensor) -> Tensor:
            usable = running & (b != 0)
            return torch.where(usable, a / torch.where(usable, b, 1.0), 0.0)

        ahead = precondition(direction)
        image = apply(ahead)
        length = ratio(overlap, products(shadow, image))
        half = rest - length * image
        near = precondition(half)
        answer = apply(near)
        damping = ratio(products(answer, half), products(answer, answer))
        found = found + length * ahead + damping * near
        rest = half - damping * answer
        after = products(shadow, rest)
        direction = rest + ratio(after, overlap) * ratio(length, damping) * (direction - damping * image)
        overlap = after
    raise NotConverged("BiCGStab", history)
'''

ITERATIVE["gmres"] = '''
def gmres(
    apply: Callable[[Tensor], Tensor],
    right: Tensor,
    iterations: int,
    tolerance: float,
    precondition: Callable[[Tensor], Tensor] = lambda v: v,
    restart: int = 200,
) -> Tensor:
    """x with A x = b for [B, C, *grid], restarted, preconditioned from the right. Saad & Schultz (1986)."""
    found, first = torch.zeros_like(right), norms(right)
    tiny = torch.finfo(right.dtype).tiny
    tolerance = max(tolerance, 4 * torch.finfo(right.dtype).eps)
    history = [1.0]
    for _ in range(iterations + 1):
        rest = right - apply(found) if len(history) > 1 else right
        size = norms(rest)
        if bool((size <= tolerance * first).all()):
            return found
        if len(history) > iterations:
            break
        basis = [rest / size.clamp(min=tiny)]
        columns, turns, target = [], [], [size]
        for _ in range(restart):
            vector = apply(precondition(basis[-1]))
            column = []
            for v in basis:
                column.append(products(v, vector))
                vector = vector - column[-1] * v
            for k, v in enumerate(basis):
                again = products(v, vector)
                vector, column[k] = vector - again * v, column[k] + again
            length = norms(vector)
            for k, (cosine, sine) in enumerate(turns):
                above, below = column[k], column[k + 1]
                column[k], column[k + 1] = cosine * above + sine * below, cosine * below - sine * above
            radius = torch.hypot(column[-1], length).clamp(min=tiny)
            turns.append((column[-1] / radius, length / radius))
            column[-1] = radius
            columns.append(column)
            target[-1:] = [turns[-1][0] * target[-1], -turns[-1][1] * target[-1]]
            basis.append(vector / length.clamp(min=tiny))
            history.append(float((target[-1].abs() / first.clamp(min=tiny)).max()))
            if bool((target[-1].abs() <= 0.5 * tolerance * first).all()) or len(history) > iterations:
                break
        weights = []
        for row in range(len(columns) - 1, -1, -1):
            known = sum(columns[row + 1 + k][row] * w for k, w in enumerate(reversed(weights)))
            weights.append((target[row] - known) / columns[row][row])
        found = found + precondition(sum(w * v for w, v in zip(reversed(weights), basis, strict=False)))
    raise NotConverged("GMRES", history)
'''

ITERATIVE["main_diagonal"] = '''
def main_diagonal(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
) -> Tensor:
    """The diagonal [1, C, *grid] of a linear map of [B, C, *grid] that looks `reach` cells far."""
    far = tuple(tuple(r if a == b else 0 for a in range(len(grid))) for b, r in enumerate(reach))
    weights, columns = diagonals(apply, channels, grid, ((0,) * len(grid), *far), periodic, unit)
    own = columns == torch.arange(channels * math.prod(grid), device=unit.device)
    first = own & (own.cumsum(0) == 1)
    return (weights * first).sum(0).reshape(1, channels, *grid)
'''

ITERATIVE["prolong"] = '''
def prolong(value: Tensor, periodic: tuple[bool, ...]) -> Tensor:
    """[B, C, *grid] on a grid of twice as many cells an axis, linear in between; constant beyond walls."""
    for axis, wraps in enumerate(periodic):
        dim = 2 + axis
        n = value.shape[dim]
        if wraps:
            pair = (value, (value + torch.roll(value, -1, dim)) / 2)
        else:
            before = torch.cat((value.narrow(dim, 0, 1), value.narrow(dim, 0, n - 1)), dim)
            behind = torch.cat((value.narrow(dim, 1, n - 1), value.narrow(dim, n - 1, 1)), dim)
            pair = ((3 * value + before) / 4, (3 * value + behind) / 4)
        value = torch.stack(pair, dim + 1).flatten(dim, dim + 1)
    return value
'''

ITERATIVE["restrict"] = '''
def restrict(value: Tensor, periodic: tuple[bool, ...]) -> Tensor:
    """P^T v / 2^d, P the prolongation: [B, C, *grid] on a grid of half as many cells an axis."""
    for axis, wraps in enumerate(periodic):
        dim = 2 + axis
        even, odd = value.unflatten(dim, (-1, 2)).unbind(dim + 1)
        n = even.shape[dim]
        if wraps:
            value = (even + (odd + torch.roll(odd, 1, dim)) / 2) / 2
            continue
        before = torch.cat((even.narrow(dim, 1, n - 1), odd.narrow(dim, n - 1, 1)), dim)
        behind = torch.cat((even.narrow(dim, 0, 1), odd.narrow(dim, 0, n - 1)), dim)
        value = (3 * (even + odd) + before + behind) / 8
    return value
'''

ITERATIVE["multigrid_levels"] = '''
def multigrid_levels(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
) -> tuple[Tensor, ...]:
    """Weights and columns (see `diagonals`) and the diagonal of a linear map on each of its grids, halved while they can be;
    a coarser map is P^T A P / 2^d, P the prolongation. Last comes the pseudo-inverse on the coarsest grid."""
    found: list[Tensor] = []
    for _ in range(math.prod(grid).bit_length()):
        weights, columns = diagonals(apply, channels, grid, neighborhood(reach, grid), periodic, unit)
        rows = torch.arange(columns.shape[1], device=unit.device)
        diagonal = torch.where(columns == rows, weights, 0.0).sum(0)
        found += [weights, columns, diagonal.reshape(1, channels, *grid)]
        if any(n % 2 or n <= 4 for n in grid):
            matrix = torch.zeros(len(rows), len(rows), dtype=unit.dtype, device=unit.device)
            matrix = matrix.index_put((rows.expand_as(columns), columns), weights, accumulate=True)
            found.append(torch.linalg.pinv(matrix))
            break

        def coarser(v: Tensor, weights: Tensor = weights, columns: Tensor = columns) -> Tensor:
            wide = prolong(v, periodic)
            return restrict((wide.flatten(1)[:, columns] * weights).sum(1).reshape(wide.shape), periodic)

        apply, grid = coarser, tuple(n // 2 for n in grid)
        reach = tuple(max(2, -(-r // 2) + 1) for r in reach)
    return tuple(found)
'''

ITERATIVE["v_cycle"] = '''
def v_cycle(levels: tuple[Tensor, ...], right: Tensor, periodic: tuple[bool, ...], level: int = 0) -> Tensor:
    """What one V-cycle makes of A x = b from x = 0: two damped Jacobi sweeps down and two up on each grid."""
    if 3 * level + 4 == len(levels):
        return (right.flatten(1) @ levels[-1].T).reshape(right.shape)
    weights, columns, diagonal = levels[3 * level : 3 * level + 3]

    def rest(v: Tensor) -> Tensor:
        return right - (v.flatten(1)[:, columns] * weights).sum(1).reshape(v.shape)

    value = 0.8 * right / diagonal
    value = value + 0.8 * rest(value) / diagonal
    correction = v_cycle(levels, restrict(rest(value), periodic), periodic, level + 1)
    value = value + prolong(correction, periodic)
    for _ in range(2):
        value = value + 0.8 * rest(value) / diagonal
    return value
'''
