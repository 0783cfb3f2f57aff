"""Functions that emitted files carry when they need them. They are text here and code there; each is whole and documented."""

from __future__ import annotations

from npde.emit.adaptive_helpers import ADAPTIVE, ADAPTIVE_NEEDS
from npde.emit.axis_helpers import AXES, AXES_NEEDS
from npde.emit.iterative_helpers import ITERATIVE, ITERATIVE_NEEDS
from npde.emit.march_helpers import MARCHING, MARCHING_NEEDS
from npde.emit.solver_helpers import SOLVER_NEEDS, SOLVERS

HELPERS: dict[str, str] = {}
"""By name, in the order in which they are emitted."""

NEEDS: dict[str, tuple[str, ...]] = {
    "by_lines": ("diagonals", "neighborhood"),
    "factor_tridiagonal": ("by_lines", "block_row"),
    "assemble": ("diagonals",),
    **SOLVER_NEEDS,
    **AXES_NEEDS,
    **ITERATIVE_NEEDS,
    **MARCHING_NEEDS,
    **ADAPTIVE_NEEDS,
}
"""Helpers that call other helpers."""

HELPERS["pointwise_network"] = '''
def pointwise_network(network: nn.Module, *arguments: Tensor) -> Tensor:
    """A small network applied in every cell: [B, 1, *grid] each -> [B, n, *grid]."""
    stacked = torch.cat(torch.broadcast_tensors(*arguments), dim=1)
    return network(stacked.movedim(1, -1)).movedim(-1, 1)
'''

HELPERS["dense"] = '''
def dense(matrix: Tensor, value: Tensor, axes: tuple[int, ...]) -> Tensor:
    """A matrix applied to the flattened grid axes `axes` of an array [B, C, *grid]."""
    dims = tuple(a + 2 for a in axes)
    last = tuple(range(-len(dims), 0))
    moved = value.movedim(dims, last)
    grid = moved.shape[-len(dims) :]
    product = functional.linear(moved.flatten(-len(dims)), matrix)
    return product.unflatten(-1, grid).movedim(last, dims)
'''

HELPERS["circular_convolution"] = '''
def circular_convolution(value: Tensor, weight: Tensor, dims: tuple[int, ...]) -> Tensor:
    """sum_k weight[j - k] value[k] along periodic axes, by FFT; weight[0] belongs to the difference zero."""
    product = torch.fft.rfftn(value, dim=dims) * torch.fft.rfftn(weight, dim=dims)
    return torch.fft.irfftn(product, s=[weight.shape[d] for d in dims], dim=dims)
'''

HELPERS["extend"] = '''
def extend(value: Tensor, dim: int, width: int, periodic: bool) -> Tensor:
    """An array continued by `width` cells at both ends: wrapped, or by its nearest cell."""
    n = value.shape[dim]
    if periodic:
        return torch.cat((value.narrow(dim, n - width, width), value, value.narrow(dim, 0, width)), dim)
    first, last = value.narrow(dim, 0, 1), value.narrow(dim, n - 1, 1)
    return torch.cat((*[first] * width, value, *[last] * width), dim)
'''

HELPERS["hold"] = '''
def hold(value: Tensor, widths: tuple[int, ...]) -> Tensor:
    """An array [..., *grid] whose outermost cells, `widths` at both ends of each axis, take the value of the next one."""
    for axis, width in enumerate(widths):
        dim = axis - len(widths)
        index = torch.arange(value.shape[dim], device=value.device).clamp(width, value.shape[dim] - 1 - width)
        value = value.index_select(dim, index) if width else value
    return value
'''

HELPERS["stretch"] = '''
def stretch(x: Tensor, lower: float, upper: float, width: float, strength: float, degree: int) -> tuple[Tensor, ...]:
    """Real and imaginary parts of 1/s, 1/s**2 and (1/s) d(1/s)/dx for the stretching s = 1 + i strength (d / width)**degree, d the
    depth in the absorbing layers at both ends of an axis."""
    below, above = torch.relu(lower + width - x) / width, torch.relu(x - upper + width) / width
    size = strength * (below**degree + above**degree)
    slope = strength * degree / width * (above ** (degree - 1) - below ** (degree - 1))
    norm = 1 + size**2
    square, cube = norm**2, norm**3
    first = (1 / norm, -size / norm)
    second = ((1 - size**2) / square, -2 * size / square)
    return (*first, *second, slope * size * (size**2 - 3) / cube, slope * (3 * size**2 - 1) / cube)
'''

HELPERS["extrapolate"] = '''
def extrapolate(value: Tensor, dim: int, weights: tuple[tuple[int, ...], ...]) -> Tensor:
    """An array continued at both ends by the polynomial through its nearest cells: the new cell k is sum_j weights[k][j] value_j, k
    and j counted from the end."""
    last = value.shape[dim] - 1
    lower = [sum(w * value.narrow(dim, j, 1) for j, w in enumerate(row)) for row in weights]
    upper = [sum(w * value.narrow(dim, last - j, 1) for j, w in enumerate(row)) for row in weights]
    return torch.cat((*lower[::-1], value, *upper), dim)
'''

HELPERS["fold_periodic"] = '''
def fold_periodic(value: Tensor, dim: int, width: int) -> Tensor:
    """The transpose of wrapping: ghost cells are added to the cells that they copy."""
    n = value.shape[dim] - 2 * width
    inner = value.narrow(dim, width, n)
    lower, upper = value.narrow(dim, 0, width), value.narrow(dim, width + n, width)
    zeros = torch.zeros_like(inner.narrow(dim, 0, n - width))
    return inner + torch.cat((upper, zeros), dim) + torch.cat((zeros, lower), dim)
'''

HELPERS["fold_wall"] = '''
def fold_wall(value: Tensor, dim: int, width: int, lower: list, upper: list) -> Tensor:
    """The transpose of a ghost fill: ghost k is added to cell j with weight `lower[k][j]`, counted from the wall."""
    n = value.shape[dim] - 2 * width
    inner = value.narrow(dim, width, n)
    behind = torch.zeros_like(inner.narrow(dim, 0, n - len(lower[0])))
    before = torch.zeros_like(inner.narrow(dim, 0, n - len(upper[0])))
    first = [
        sum(row[j] * value.narrow(dim, width - 1 - k, 1) for k, row in enumerate(lower)) for j in range(len(lower[0]))
    ]
    last = [
        sum(row[j] * value.narrow(dim, width + n + k, 1) for k, row in enumerate(upper)) for j in range(len(upper[0]))
    ]
    return inner + torch.cat((*first, behind), dim) + torch.cat((before, *last[::-1]), dim)
'''

HELPERS["tile_overlaps"] = '''
def tile_overlaps(cells: int, tiles: int) -> Tensor:
    """How much of each cell lies in each of `tiles` equal intervals, [tiles, cells], rows summing to cells / tiles."""
    edge = torch.arange(cells + 1, dtype=torch.float64) / cells
    bound = torch.arange(tiles + 1, dtype=torch.float64) / tiles
    upper = torch.minimum(edge[None, 1:], bound[1:, None])
    lower = torch.maximum(edge[None, :-1], bound[:-1, None])
    return (upper - lower).clamp(min=0) * cells
'''

HELPERS["hash_noise"] = '''
def hash_noise(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Uniform in (-1, 1), an integer hash of the seed and the row-major index: the same on every machine."""

    def mix(x: Tensor) -> Tensor:
        x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
        x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
        return x ^ (x >> 16)

    count = math.prod(shape)
    start = mix(torch.tensor(seed & 0xFFFFFFFF, dtype=torch.int64))
    bits = mix((start + torch.arange(count, dtype=torch.int64)) & 0xFFFFFFFF)
    return (2 * (bits.double() + 0.5) / 2**32 - 1).reshape(shape)
'''

HELPERS["symbol_of"] = '''
def symbol_of(apply: Callable[[Tensor], Tensor], channels: int, grid: tuple[int, ...], unit: Tensor) -> Tensor:
    """The matrix by which a periodic operator with constant coefficients acts on a wave number, [*frequencies, C, C].

    It is the transform of the operator's answer to a unit impulse in cell 0 of each channel.
    """
    impulse = torch.zeros(channels, channels, *grid, dtype=unit.dtype, device=unit.device)
    impulse[(slice(None), slice(None), *[0] * len(grid))] = torch.eye(channels, dtype=unit.dtype, device=unit.device)
    response = torch.fft.rfftn(apply(impulse), dim=tuple(range(2, 2 + len(grid))))
    return response.movedim((1, 0), (-2, -1))
'''

HELPERS["spectral"] = '''
def spectral(matrices: Tensor, value: Tensor) -> Tensor:
    """A matrix a wave number, [*frequencies, C, C], applied to [B, C, *grid]."""
    dims = tuple(range(2, value.dim()))
    spectrum = torch.fft.rfftn(value, dim=dims).movedim(1, -1)
    product = torch.einsum("...ij,...j->...i", matrices, spectrum)
    return torch.fft.irfftn(product.movedim(-1, 1), s=value.shape[2:], dim=dims)
'''

HELPERS["diagonals"] = '''
def diagonals(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    offsets: tuple[tuple[int, ...], ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
) -> tuple[Tensor, Tensor]:
    """A linear map of [B, C, *grid] that couples a cell to those at `offsets`: weights and columns, both [taps, rows].

    Row m of its matrix holds weights[k, m] in column columns[k, m]. They are found by applying the map to one batch of
    unit vectors a color; cells of one color are too far apart to meet.
    """
    device, cells = unit.device, math.prod(grid)
    shapes = [[-1 if a == axis else 1 for a in range(len(grid))] for axis in range(len(grid))]
    color, count = torch.zeros(grid, dtype=torch.int64, device=device), 1
    for axis, (n, wraps) in enumerate(zip(grid, periodic, strict=True)):
        period = min(2 * max(abs(o[axis]) for o in offsets) + 1, n)
        period = min(k for k in range(period, n + 1) if n % k == 0) if wraps else period
        color = color * period + (torch.arange(n, device=device) % period).reshape(shapes[axis])
        count *= period
    offsets = tuple(
        dict.fromkeys(
            tuple(o % n if w else o for o, n, w in zip(offset, grid, periodic, strict=True)) for offset in offsets
        )
    )
    shift = torch.tensor(offsets, device=device).reshape(len(offsets), len(grid))
    neighbor = torch.zeros(len(offsets), *grid, dtype=torch.int64, device=device)
    inside = torch.ones_like(neighbor, dtype=torch.bool)
    for axis, (n, wraps) in enumerate(zip(grid, periodic, strict=True)):
        cell = torch.arange(n, device=device).reshape(shapes[axis]) + shift[:, axis].reshape(-1, *[1] * len(grid))
        inside = inside & (torch.ones_like(cell, dtype=torch.bool) if wraps else (cell >= 0) & (cell < n))
        neighbor = neighbor * n + (cell % n if wraps else cell.clamp(0, n - 1))
    neighbor, inside = neighbor.reshape(len(offsets), -1), inside.reshape(len(offsets), -1)
    probes = (color == torch.arange(count, device=device).reshape(-1, *[1] * len(grid))).to(unit.dtype)
    batch = (
        torch.eye(channels, dtype=unit.dtype, device=device).reshape(channels, 1, channels, *[1] * len(grid))
        * probes[:, None]
    )
    response = apply(batch.flatten(0, 1)).reshape(channels, count, -1, cells)
    chosen = color.flatten()[neighbor][None, :, None].expand(channels, -1, response.shape[2], -1)
    weights = response.gather(1, chosen) * inside[None, :, None]
    start = cells * torch.arange(channels, device=device)[:, None, None, None]
    columns = (neighbor[None, :, None] + start).expand(weights.shape)
    return weights.reshape(-1, weights.shape[2] * cells), columns.reshape(-1, weights.shape[2] * cells)
'''

HELPERS["neighborhood"] = '''
def neighborhood(reach: tuple[int, ...], grid: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The offsets within `reach` cells, in the box around a cell."""
    box: tuple[tuple[int, ...], ...] = ((),)
    for r, n in zip(reach, grid, strict=True):
        box = tuple((*offset, k) for offset in box for k in range(-min(r, n - 1), min(r, n - 1) + 1))
    return box
'''

HELPERS["by_lines"] = '''
def by_lines(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
    least: int,
) -> tuple[Tensor, int, Tensor, Tensor]:
    """The matrix of a linear map of [P, C, *grid], to S times as many channels, that looks `reach` cells far: the order of its
    unknowns by which it is block-tridiagonal, the size of its blocks, and, in that order, weights [taps, S, unknowns] and columns.

    A block is a few grid lines across the first axis, of `least` unknowns or more; a periodic axis is folded (line 0, n - 1, 1,
    n - 2, ...), which keeps neighbors within two lines.
    """
    weights, columns = diagonals(apply, channels, grid, neighborhood(reach, grid), periodic, unit)
    device, lines, unknowns = unit.device, (*grid, 1)[0], channels * math.prod(grid)
    line = torch.arange(lines, device=device)
    folds, far = (*periodic, False)[0], (*reach, 0)[0]
    band = min(max(2 * far if folds else far, 1), lines)
    if folds:
        line = torch.stack((line, lines - 1 - line), 1).flatten()[:lines]
    order = torch.arange(unknowns, device=device).reshape(channels, lines, -1)[:, line].transpose(0, 1).flatten()
    position = torch.empty_like(order)
    position[order] = torch.arange(unknowns, device=device)
    size = min(max(band, -(-least // (unknowns // lines))), lines) * (unknowns // lines)
    return order, size, weights.unflatten(1, (-1, unknowns))[:, :, order], position[columns[:, order]]
'''

HELPERS["block_row"] = '''
def block_row(size: int, weights: Tensor, columns: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Row k of the blocks of a matrix `by_lines`: below, on and above the diagonal, [S, size, size]; ones fill the last block."""
    first, last = k * size, min((k + 1) * size, columns.shape[1])
    rows = torch.zeros(weights.shape[1], size, 3 * size, dtype=weights.dtype, device=weights.device)
    local = (columns[:, first:last] - first + size).clamp(0, 3 * size - 1)
    values = weights[:, :, first:last].permute(1, 2, 0)
    rows[:, : last - first].scatter_add_(2, local.T.expand(values.shape), values)
    lower, pivot, upper = rows.split(size, 2)
    spare = torch.arange(last - first, size, device=weights.device)
    pivot[:, spare, spare] = 1.0
    return lower, pivot, upper
'''

HELPERS["factor_tridiagonal"] = '''
def factor_tridiagonal(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Block-tridiagonal LU of a linear map of [B, C, *grid] that looks `reach` cells far.

    Returns the order of the unknowns and, each [blocks, size, size], the inverses of the pivots D_k, the products
    L_k D_{k-1}^-1 and D_k^-1 U_k.
    """
    order, size, weights, columns = by_lines(apply, channels, grid, reach, periodic, unit, 64)
    inverse, left, right = [], [], []
    for k in range(-(-order.numel() // size)):
        lower, pivot, upper = (block[0] for block in block_row(size, weights, columns, k))
        if k:
            left.append(lower @ inverse[-1])
            pivot = pivot - lower @ right[-1]
        inverse.append(torch.linalg.inv(pivot))
        right.append(inverse[-1] @ upper)
    left.insert(0, torch.zeros_like(inverse[0]))
    return order, torch.stack(inverse), torch.stack(left), torch.stack(right)
'''

HELPERS["frozen"] = '''
def frozen(compute: Callable[[], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    """What `compute` gives, outside of the gradient."""
    with torch.no_grad():
        return compute()
'''

HELPERS["solve_factored"] = '''
def solve_factored(factors: tuple[Tensor, Tensor, Tensor, Tensor], right: Tensor) -> Tensor:
    """Forward and back substitution for [B, C, *grid]."""
    order, inverse, left, upper = factors
    blocks, size, _ = inverse.shape
    flat = functional.pad(right.flatten(1)[:, order], (0, blocks * size - order.numel())).unflatten(1, (blocks, size))
    forward = [flat[:, 0]]
    for k in range(1, blocks):
        forward.append(flat[:, k] - forward[-1] @ left[k].T)
    solution = [forward[-1] @ inverse[-1].T]
    for k in range(blocks - 2, -1, -1):
        solution.append(forward[k] @ inverse[k].T - solution[-1] @ upper[k].T)
    found = torch.cat(solution[::-1], 1)[:, : order.numel()]
    return torch.empty_like(found).index_copy(1, order, found).reshape(right.shape)
'''

HELPERS["assemble"] = '''
def assemble(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    offsets: tuple[tuple[int, ...], ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """An affine map of [B, C, *grid] as W (weights and columns, see `diagonals`) and b."""
    bias = apply(torch.zeros(1, channels, *grid, dtype=unit.dtype, device=unit.device))
    weights, columns = diagonals(lambda v: apply(v) - bias, channels, grid, offsets, periodic, unit)
    return weights, columns, bias.flatten()
'''

HELPERS["affine"] = '''
def affine(matrix: tuple[Tensor, Tensor, Tensor], value: Tensor) -> Tensor:
    """W x + b of a sparse matrix kept as weights and columns: [B, C, N] -> [B, rows / N, N]."""
    weights, columns, bias = matrix
    product = (value.flatten(1)[:, columns] * weights).sum(1) + bias
    return product.unflatten(1, (-1, value.shape[2]))
'''

HELPERS |= SOLVERS | AXES | ITERATIVE | MARCHING | ADAPTIVE
