"""Functions of implicit and exponential steps, as emitted files carry them."""

from __future__ import annotations

MARCHING: dict[str, str] = {}
"""By name, in the order in which they are emitted."""

MARCHING_NEEDS: dict[str, tuple[str, ...]] = {
    "spectral_walls": ("spectral", "continued"),
    "newton_step": ("NotConverged", "factor_lines", "solve_lines"),
    "krylov_step": ("implicit",),
    "newton_krylov_step": ("NotConverged", "derivative", "implicit"),
}
"""Helpers that call other helpers."""

MARCHING["phi_functions"] = '''
def phi_functions(matrix: Tensor, weights: tuple[tuple[float, ...], ...]) -> Tensor:
    """[sum_k w_0k phi_k(Z), sum_k w_1k phi_k(Z), ...] side by side, for a matrix Z a wave number, [*frequencies, C, C].

    phi_0 = exp, phi_k+1(z) = (phi_k(z) - 1/k!) / z. They are the first row of blocks of the exponential of Z bordered by a
    shift, [[Z, 1, 0], [0, 0, 1], [0, 0, 0]], a power series: nothing is divided by a small z.
    """
    size, count = matrix.shape[-1], max(len(row) for row in weights)
    rest = size * (count - 1)
    shift = torch.eye(rest, dtype=matrix.dtype, device=matrix.device)
    bordered = functional.pad(matrix, (0, rest, 0, rest)) + functional.pad(shift, (size, 0, 0, size))
    phi = torch.linalg.matrix_exp(bordered)[..., :size, :].split(size, dim=-1)
    return torch.cat([sum(w * phi[k] for k, w in enumerate(row) if w) for row in weights], dim=-1)
'''

MARCHING["continued"] = '''
def continued(value: Tensor, mirrors: tuple[tuple[int, int] | None, ...]) -> Tensor:
    """An array [..., *grid] with its mirror images past the walls, one period; signs at both ends: -1 odd, 1 even."""
    for dim, signs in enumerate(mirrors, value.dim() - len(mirrors)):
        if signs is not None:
            lower, upper = signs
            value = torch.cat((value, upper * value.flip(dim)), dim)
            value = value if lower == upper else torch.cat((value, lower * value.flip(dim)), dim)
    return value
'''

MARCHING["symbol_walls"] = '''
def symbol_walls(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    mirrors: tuple[tuple[int, int] | None, ...],
    unit: Tensor,
) -> Tensor:
    """The matrix by which an operator with constant coefficients acts on a wave of the mirrored grid, [*frequencies, C, C].

    It is the transform of the operator's answer to a unit impulse in the middle, too far from the walls to meet them.
    """
    middle = tuple(n // 2 for n in grid)
    period = tuple(n if s is None else 2 * n if s[0] == s[1] else 4 * n for n, s in zip(grid, mirrors, strict=True))
    impulse = torch.zeros(channels, channels, *grid, dtype=unit.dtype, device=unit.device)
    impulse[(slice(None), slice(None), *middle)] = torch.eye(channels, dtype=unit.dtype, device=unit.device)
    spare = [width for n, p in zip(grid[::-1], period[::-1], strict=True) for width in (0, p - n)]
    dims = tuple(range(2, 2 + len(grid)))
    response = torch.roll(functional.pad(apply(impulse), spare), tuple(-m for m in middle), dims)
    return torch.fft.rfftn(response, dim=dims).movedim((1, 0), (-2, -1))
'''

MARCHING["inverse_walls"] = '''
def inverse_walls(symbol: Tensor, grid: tuple[int, ...], mirrors: tuple[tuple[int, int] | None, ...]) -> Tensor:
    """The inverse of a symbol for each wave, [..., *frequencies, C, C]; waves that mirrored arrays have none of are left alone.

    Odd images have no mean, even ones no wave of two cells; odd at one end and even at the other, odd multiples of a period.
    """
    occurs = torch.ones((), dtype=torch.bool, device=symbol.device)
    for axis, (n, signs) in enumerate(zip(grid, mirrors, strict=True)):
        if signs is not None:
            wave = torch.arange(symbol.shape[axis - len(grid) - 2], device=symbol.device)
            own = wave % 2 == 1 if signs[0] != signs[1] else wave != 0 if signs[0] < 0 else wave != n
            occurs = occurs & own.reshape(-1, *[1] * (len(grid) + 1 - axis))
    unit = torch.eye(symbol.shape[-1], dtype=symbol.dtype, device=symbol.device)
    return torch.linalg.inv(torch.where(occurs, symbol, unit))
'''

MARCHING["spectral_walls"] = '''
def spectral_walls(matrices: Tensor, value: Tensor, mirrors: tuple[tuple[int, int] | None, ...]) -> Tensor:
    """`spectral` between walls: sine and cosine transforms, as Fourier transforms of the mirrored array."""
    found = spectral(matrices, continued(value, mirrors))
    return found[(..., *(slice(n) for n in value.shape[2:]))].contiguous()
'''

MARCHING["newton_step"] = '''
def newton_step(
    update: Callable[[Tensor], Tensor], guess: Tensor, reach: tuple[int, ...], periodic: tuple[bool, ...]
) -> Tensor:
    """x = update(x) for [B, C, *grid], by Newton's method from a guess. `update` looks `reach` cells far.

    The Jacobians of all samples are found transposed, by reverse differentiation, and factored in every iteration. These stay
    outside of the gradient; the last one is repeated inside, which gives it the derivative of the implicit function theorem.
    Raises NotConverged with the history of the changes relative to x.
    """
    batch, channels, *grid = guess.shape
    tolerance = torch.finfo(guess.dtype).eps ** 0.75
    changes: list[float] = []
    value = guess.detach()

    def transposed(probes: Tensor) -> Tensor:
        wide = probes.unsqueeze(1).expand(-1, batch, *probes.shape[1:])
        return (wide - torch.func.vmap(lambda v: pull(v)[0])(wide)).flatten(1, 2)

    with torch.no_grad():
        for _ in range(30):
            updated, pull = torch.func.vjp(update, value)
            factors = factor_lines(transposed, channels, tuple(grid), reach, periodic, guess.new_ones(()))
            change = solve_lines(factors, value - updated, adjoint=True)
            size = value.flatten(1).abs().amax(1).clamp(min=torch.finfo(guess.dtype).tiny)
            changes.append(float((change.flatten(1).abs().amax(1) / size).max()))
            if not tolerance < changes[-1] < math.inf:
                break
            value = value - change
    if not changes[-1] <= tolerance:
        raise NotConverged("Newton's method", changes)
    return value - solve_lines(factors, value - update(value), adjoint=True)
'''

MARCHING["krylov_step"] = '''
def krylov_step(
    method: Callable[..., Tensor],
    matrix: Callable[[Tensor], Tensor],
    right: Tensor,
    iterations: int,
    tolerance: float,
    symmetric: bool = False,
    near: Callable[..., Tensor] = lambda v, adjoint=False: v,
) -> Tensor:
    """x with A x = b for [B, C, *grid] by a Krylov method: A is only applied, and preconditioned by `near`, an approximate inverse.
    Differentiated by one solve with the transpose."""

    def transposed(v: Tensor) -> Tensor:
        return torch.func.vjp(matrix, torch.zeros_like(v))[1](v)[0]

    adjoint = matrix if symmetric else transposed
    with torch.no_grad():
        found = method(matrix, right, iterations, tolerance, near)

    def back(g: Tensor) -> Tensor:
        return method(adjoint, g, iterations, tolerance, lambda v: near(v, adjoint=not symmetric))

    return implicit(lambda v: matrix(v) - right, found, back)
'''

MARCHING["newton_krylov_step"] = '''
def newton_krylov_step(
    update: Callable[[Tensor], Tensor],
    guess: Tensor,
    method: Callable[..., Tensor],
    iterations: int,
    tolerance: float,
    precondition: Callable[..., Callable[..., Tensor]] = lambda residual, at: lambda v, adjoint=False: v,
) -> Tensor:
    """x = update(x) for [B, C, *grid], by Newton's method from a guess; its linear systems by a Krylov method, the Jacobian only
    applied, to the root of the tolerance (inexact Newton). `precondition(residual, x)` gives an approximate inverse of the
    Jacobian; the one at the guess serves all. Differentiated by one solve with the transpose.

    Raises NotConverged with the history of the changes relative to x.
    """

    def residual(v: Tensor) -> Tensor:
        return v - update(v)

    smallest = torch.finfo(guess.dtype).eps ** 0.75
    changes: list[float] = []
    value = guess.detach()
    with torch.no_grad():
        near = precondition(residual, value)
        for _ in range(30):
            change = method(derivative(residual, value), residual(value), iterations, tolerance**0.5, near)
            size = value.flatten(1).abs().amax(1).clamp(min=torch.finfo(guess.dtype).tiny)
            changes.append(float((change.flatten(1).abs().amax(1) / size).max()))
            if not changes[-1] < math.inf:
                break
            value = value - change
            if changes[-1] <= smallest:
                break
    if not changes[-1] <= smallest:
        raise NotConverged("Newton's method", changes)

    def transposed(v: Tensor) -> Tensor:
        return torch.func.vjp(residual, value)[1](v)[0]

    return implicit(residual, value, lambda g: method(transposed, g, iterations, tolerance, lambda v: near(v, adjoint=True)))
'''
