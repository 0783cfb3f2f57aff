"""Fast diagonalization, as emitted files carry it: a basis for every axis."""

from __future__ import annotations

AXES: dict[str, str] = {}
"""By name, in the order in which they are emitted."""

AXES_NEEDS: dict[str, tuple[str, ...]] = {
    "axis_parts": ("diagonals",),
    "factor_axes": ("axis_parts", "coupled", "summed", "along_axes"),
    "nearest_axes": ("axis_parts", "coupled", "summed"),
    "approximate_inverse": ("solve_axes",),
    "solve_axes": ("along_axes",),
}
"""Helpers that call other helpers."""

AXES["along_axes"] = '''
def along_axes(matrices: tuple[Tensor, ...], value: Tensor) -> Tensor:
    """A matrix [C, n, n] along each grid axis of [B, C, *grid]."""
    for dim, matrix in enumerate(matrices, 2):
        lead = [1] * (value.dim() - 4)
        turned = matrix.mT.to(value.dtype).reshape(-1, *lead, *matrix.shape[1:])
        value = (value.movedim(dim, -1) @ turned).movedim(-1, dim)
    return value
'''

AXES["axis_parts"] = '''
def axis_parts(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
) -> list[Tensor]:
    """The operators A_a across each axis, [C, n, n], of a linear map of [P, C, *grid] that is, or is close to, A = sum_a A_a,
    channels apart.

    A_a is found from fields that are constant along the other axes, as the mean over the lines from which no wall is seen. What
    does not vary along any axis is in all these answers, and is left in the first.
    """
    parts: list[Tensor] = []
    inner = [slice(r, n - r) if n > 2 * r else slice(n // 2, n // 2 + 1) for n, r in zip(grid, reach, strict=True)]
    for axis, n in enumerate(grid):
        shape = [n if a == axis else 1 for a in range(len(grid))]
        lines = tuple(slice(None) if a == axis else s for a, s in enumerate(inner))
        others = tuple(2 + a for a in range(len(grid)) if a != axis)

        def across(v: Tensor, shape: list[int] = shape, lines: tuple[slice, ...] = lines, others=others) -> Tensor:
            answer = apply(v.reshape(-1, channels, *shape).expand(-1, -1, *grid))[(..., *lines)]
            return answer.mean(others) if others else answer

        far = min(reach[axis], n - 1)
        weights, columns = diagonals(across, channels, (n,), tuple((k,) for k in range(-far, far + 1)), (periodic[axis],), unit)
        rows = torch.arange(channels * n, device=unit.device)
        matrix = torch.zeros(channels * n, channels * n, dtype=weights.dtype, device=unit.device)
        matrix = matrix.index_put((rows.expand_as(columns), columns), weights, accumulate=True)
        part = matrix.reshape(channels, n, channels, n).diagonal(dim1=0, dim2=2).movedim(-1, 0)
        if parts:
            shared = parts[0].sum(2)[:, inner[0]].mean(1)
            part = part - shared[:, None, None] * torch.eye(n, dtype=unit.dtype, device=unit.device)
        parts.append(part)
    return parts
'''

AXES["summed"] = '''
def summed(values: list[Tensor]) -> Tensor:
    """sum_a values_a[c, i_a], [C, *grid]."""
    total = torch.zeros((), dtype=values[0].dtype, device=values[0].device)
    for value in values:
        total = total.unsqueeze(-1) + value.reshape(len(value), *[1] * (total.dim() - 1 if total.dim() else 0), -1)
    return total
'''

AXES["factor_axes"] = '''
def factor_axes(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
    symmetric: bool,
    pairs: bool = False,
    null: tuple[int, ...] = (),
) -> tuple[Tensor, ...]:
    """Fast diagonalization of a linear map of [P, C, *grid] that is a sum of maps along one axis each, A = sum_a A_a, channels
    apart. Lynch, Rice & Thomas (1964).

    The eigenvectors V_a of A_a (see `axis_parts`) are real, and orthonormal on periodic axes and where `symmetric`. `pairs`: the
    channels are real parts, then imaginary parts, and the map commutes with the imaginary unit; both parts of A_a have the same
    eigenvectors.

    Returns V_a^-1 [C, n, n], then V_a, an axis each, and the inverse of the eigenvalues of A, [C, *grid]. Where the map
    annihilates the constants of the channels `null`, it is 0 for these, and last come the functionals [1, len(null), unknowns]
    that give the constants by which a right side lies outside of the range of the map.
    """
    whole = (lambda v: coupled(apply, v)) if pairs else apply
    inverses, bases, values = [], [], []
    parts = axis_parts(whole, channels // 2 if pairs else channels, grid, reach, periodic, unit)
    for part, wraps in zip(parts, periodic, strict=True):
        mixed = part.real + 0.7 * part.imag if pairs else part
        basis = torch.linalg.eigh(mixed)[1] if symmetric or wraps else torch.linalg.eig(mixed)[1].real
        inverses.append(basis.mT if symmetric or wraps else torch.linalg.inv(basis))
        bases.append(basis)
        values.append((inverses[-1].to(part.dtype) @ part @ basis.to(part.dtype)).diagonal(dim1=1, dim2=2))
    total = summed(values)
    if not null:
        return (*inverses, *bases, 1 / total)
    index = torch.tensor(null, device=unit.device)
    flat = total.flatten(1)[index]
    least = functional.one_hot(flat.abs().argmin(1), flat.shape[1]).to(unit)
    rows = along_axes(tuple(v[index].mT for v in inverses), least.reshape(1, -1, *grid))
    rows = (rows / rows.sum(tuple(range(2, rows.dim())), keepdim=True)).reshape(-1, flat.shape[1])
    functionals = torch.zeros(1, len(null), channels, rows.shape[1], dtype=unit.dtype, device=unit.device)
    functionals[0, torch.arange(len(null), device=unit.device), index] = rows
    zero = torch.zeros_like(total).flatten(1).index_copy(0, index, least).reshape(total.shape)
    return (*inverses, *bases, (1 - zero) / (total + zero), functionals.flatten(2))
'''

AXES["solve_axes"] = '''
def solve_axes(factors: tuple[Tensor, ...], right: Tensor, adjoint: bool = False) -> Tensor:
    """A^-1 b = V (sum_a lambda_a)^-1 V^-1 b for [B, C, *grid], with the factors of `factor_axes`; or that of the adjoint."""
    d = right.dim() - 2
    first, last, inverse = factors[:d], factors[d : 2 * d], factors[2 * d]
    if adjoint:
        first, last, inverse = tuple(m.mH for m in last), tuple(m.mH for m in first), inverse.conj()
    pairs = 2 * len(inverse) == right.shape[1]
    value = torch.complex(*right.chunk(2, 1)) if pairs else right
    value = along_axes(last, along_axes(first, value) * inverse)
    return torch.cat((value.real, value.imag), 1) if pairs else value
'''

AXES["nearest_axes"] = '''
def nearest_axes(
    apply: Callable[[Tensor], Tensor],
    channels: int,
    grid: tuple[int, ...],
    reach: tuple[int, ...],
    periodic: tuple[bool, ...],
    unit: Tensor,
    pairs: bool = False,
) -> tuple[Tensor, ...]:
    """Factors, as those of `factor_axes`, of the sum over the axes that is closest to a linear map of [P, C, *grid]: its means
    along the other axes (see `axis_parts`), their symmetric parts if they are real. Krylov methods are preconditioned by it."""
    whole = (lambda v: coupled(apply, v)) if pairs else apply
    parts = axis_parts(whole, channels // 2 if pairs else channels, grid, reach, periodic, unit)
    found = [torch.linalg.eig(a) if pairs else torch.linalg.eigh((a + a.mT) / 2) for a in parts]
    inverses = [torch.linalg.inv(v) if pairs else v.mT for _, v in found]
    total = summed([values for values, _ in found])
    largest = total.flatten()[total.abs().argmax()]
    total = torch.where(total.abs() < 1e-10 * largest.abs(), largest, total)
    return (*inverses, *(v for _, v in found), 1 / total)
'''

AXES["approximate_inverse"] = '''
def approximate_inverse(factors: tuple[Tensor, ...]) -> Callable[..., Tensor]:
    """b -> the solution of what was factored, by `nearest_axes` for instance; or that of the adjoint."""
    return lambda v, adjoint=False: solve_axes(factors, v, adjoint)
'''
