"""Functions for the linear and nonlinear systems of steady problems, as emitted files carry them."""

from __future__ import annotations

SOLVERS: dict[str, str] = {}
"""By name, in the order in which they are emitted."""

SOLVER_NEEDS: dict[str, tuple[str, ...]] = {
    "factor_lines": ("coupled", "by_lines", "block_row", "solve_lines"),
    "solve_floating": ("without_constants",),
    "balanced": ("without_constants",),
    "balanced_waves": ("without_constants",),
}
"""Helpers that call other helpers."""

SOLVERS["each_sample"] = '''
def each_sample(apply: Callable[[Tensor], Tensor], value: Tensor, batch: int) -> Tensor:
    """A map whose coefficients differ by sample, of [P, C, *grid]: the answers of all samples behind one another as channels."""
    return torch.func.vmap(lambda v: apply(v.expand(batch, *v.shape)))(value).flatten(1, 2)
'''

SOLVERS["without_constants"] = '''
def without_constants(value: Tensor, null: tuple[int, ...], amount: Tensor, strict: bool) -> Tensor:
    """[B, C, *grid] less a constant, `amount` [B, len(null)], in each of the channels `null`.

    Raises ValueError if `strict` and the constants are no discretization error: then sources and boundary data do not
    balance, and there is no solution.
    """
    index = torch.tensor(null, device=value.device)
    part = value[:, index].flatten(2)
    if strict and not (torch.compiler.is_compiling() or part.is_meta):
        share = (amount.detach().abs() / part.detach().abs().mean(2).clamp(min=torch.finfo(part.dtype).tiny)).max()
        if float(share) > 0.05:
            raise ValueError(
                f"no solution: sources and boundary data do not balance, their mean is {float(share):.2g} of their mean size"
            )
    return value.index_add(1, index, -amount.unsqueeze(2).expand(part.shape).unflatten(2, value.shape[2:]))
'''

SOLVERS["balanced_waves"] = '''
def balanced_waves(matrices: Tensor, right: Tensor, null: tuple[int, ...]) -> Tensor:
    """A right side [B, C, *grid] less the constants of the channels `null` by which it lies outside of the range of an operator;
    `matrices` is the inverse of its `regular` symbol, whose rows `null` at frequency zero are its left null vectors."""
    rows = matrices[(*[0] * (matrices.dim() - 2), list(null))].real
    return without_constants(right, null, right.flatten(2).mean(2) @ rows.mT, True)
'''

SOLVERS["balanced"] = '''
def balanced(value: Tensor, null: tuple[int, ...], strict: bool = False) -> Tensor:
    """[B, C, *grid] with mean zero in the channels `null`."""
    means = value[:, torch.tensor(null, device=value.device)].flatten(2).mean(2)
    return without_constants(value, null, means, strict)
'''

SOLVERS["regular"] = '''
def regular(symbol: Tensor, null: tuple[int, ...]) -> Tensor:
    """A symbol [*frequencies, C, C] whose operator leaves constants of the channels `null` as they are, in place of
    annihilating them."""
    constant = torch.zeros(symbol.shape, dtype=symbol.real.dtype, device=symbol.device)
    for k in null:
        constant[(*[0] * (symbol.dim() - 2), k, k)] = 1.0
    return symbol + constant
'''

SOLVERS["coupled"] = '''
def coupled(apply: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
    """The complex answer to real values of a map of real parts, then imaginary parts, that commutes with the imaginary unit."""
    answer = apply(torch.cat((value, torch.zeros_like(value)), 1)).unflatten(1, (-1, 2, value.shape[1]))
    return torch.complex(answer[:, :, 0], answer[:, :, 1]).flatten(1, 2)
'''

SOLVERS["factor_lines"] = '''
def factor_lines(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
    pairs: bool = False,
    null: tuple[int, ...] = (),
) -> tuple[Tensor, ...]:
    """Block-tridiagonal LU, A = (D + L)(1 + R), of a linear map of [P, C, *grid] that looks `reach` cells far.

    Blocks are those of `by_lines`. `pairs`: the channels are real parts, then imaginary parts, and the map commutes with the
    imaginary unit, so it is factored in complex numbers. A map to S times as many channels is S maps, one a sample.

    Returns the order of the unknowns, the LU factors and pivots of the blocks of D, L, and R, each [blocks, S, size, size].
    Where the map annihilates the constants of the channels `null`, cell 0 of them is pinned, and last come the functionals
    [S, len(null), unknowns] that give the constants by which a right side lies outside of the range of the map.
    """
    whole, width = (lambda v: coupled(apply, v), channels // 2) if pairs else (apply, channels)
    order, size, weights, columns = by_lines(whole, width, grid, reach, periodic, unit, 32)
    device, samples = unit.device, weights.shape[1]
    factors, swaps, left, right = [], [], [], []
    for k in range(-(-order.numel() // size)):
        lower, pivot, upper = block_row(size, weights, columns, k)
        if k:
            pivot = pivot - lower @ right[-1]
        else:
            pinned = torch.tensor(null, dtype=torch.int64, device=device) * math.prod(grid[1:])
            pivot[:, pinned, pinned] += weights.abs().amax()
        block, swap = torch.linalg.lu_factor(pivot)
        factors.append(block)
        swaps.append(swap)
        left.append(lower)
        right.append(torch.linalg.lu_solve(block, swap, upper))
    found = (order, torch.stack(factors), torch.stack(swaps), torch.stack(left), torch.stack(right))
    if not null:
        return found
    # the left null vectors w, from (A + pin)^T w = pinned cell; b has no part outside of the range of A when w.b = 0
    units = torch.zeros(len(null), samples, channels, *grid, dtype=unit.dtype, device=device)
    constants = torch.zeros(len(null), channels, *grid, dtype=unit.dtype, device=device)
    for j, k in enumerate(null):
        units[(j, slice(None), k, *[0] * len(grid))] = 1.0
        constants[j, k] = 1.0
    vectors = torch.stack([solve_lines(found, e, adjoint=True).flatten(1) for e in units], 1)
    return (*found, torch.linalg.solve(vectors @ constants.flatten(1).T, vectors))
'''

SOLVERS["solve_lines"] = '''
def solve_lines(factors: tuple[Tensor, ...], right: Tensor, adjoint: bool = False) -> Tensor:
    """Forward and back substitution for [B, C, *grid], of the map that was factored or of its adjoint."""
    order, lu, pivots, lower, upper = factors[:5]
    blocks, samples, size, _ = lu.shape
    value = torch.complex(*right.chunk(2, 1)) if lu.is_complex() else right
    flat = functional.pad(value.flatten(1)[:, order], (0, blocks * size - order.numel())).unflatten(1, (blocks, size))
    rows = flat.permute(1, 2, 0).unsqueeze(1) if samples == 1 else flat.transpose(0, 1).unsqueeze(3)
    found = [rows[0]]
    if adjoint:
        for k in range(1, blocks):
            found.append(rows[k] - upper[k - 1].mH @ found[-1])
        found[-1] = torch.linalg.lu_solve(lu[-1], pivots[-1], found[-1], adjoint=True)
        for k in range(blocks - 2, -1, -1):
            rest = found[k] - lower[k + 1].mH @ found[k + 1]
            found[k] = torch.linalg.lu_solve(lu[k], pivots[k], rest, adjoint=True)
    else:
        found[0] = torch.linalg.lu_solve(lu[0], pivots[0], rows[0])
        for k in range(1, blocks):
            found.append(torch.linalg.lu_solve(lu[k], pivots[k], rows[k] - lower[k] @ found[-1]))
        for k in range(blocks - 2, -1, -1):
            found[k] = found[k] - upper[k] @ found[k + 1]
    flat = torch.stack(found).permute((3, 0, 1, 2) if samples == 1 else (1, 0, 2, 3)).flatten(1)[:, : order.numel()]
    value = torch.empty_like(flat).index_copy(1, order, flat)
    return (torch.cat((value.real, value.imag), 1) if lu.is_complex() else value).reshape(right.shape)
'''

SOLVERS["solve_floating"] = '''
def solve_floating(
    solve: Callable[..., Tensor], factors: tuple[Tensor, ...], right: Tensor, null: tuple[int, ...], strict: bool = False
) -> Tensor:
    """`solve` of a map that annihilates the constants of the channels `null`: the solution whose mean is zero, for the right
    side less its part outside of the range of the map."""
    outside = (factors[-1] @ right.flatten(1).unsqueeze(2)).squeeze(2)
    found = solve(factors, without_constants(right, null, outside, strict))
    means = found[:, torch.tensor(null, device=found.device)].flatten(2).mean(2)
    return without_constants(found, null, means, False)
'''
