"""Fast diagonalization, as emitted files carry it: a basis for every axis."""

from __future__ import annotations

AXES: dict[str, str] = {}
"""By name, in the order in which they are emitted."""

AXES_NEEDS: dict[str, tuple[str, ...]] = {
    "factor_axes": ("diagonals", "coupled", "along_axes"),
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

    A_a is found from fields that are constant along the other axes, in the middle of these, where no wall is seen. Its
    eigenvectors V_a are real, and orthonormal on periodic axes and where `symmetric`. `pairs`: the channels are real parts, then
    imaginary parts, and the map commutes with the imaginary unit; both parts of A_a have the same eigenvectors.

    Returns V_a^-1 [C, n, n], then V_a, an axis each, and the inverse of the eigenvalues of A, [C, *grid]. Where the map
    annihilates the constants of the channels `null`, it is 0 for these, and last come the functionals [1, len(null), unknowns]
    that give the constants by which a right side lies outside of the range of the map.
    """
    whole = (lambda v: coupled(apply, v)) if pairs else apply
    width = channels // 2 if pairs else channels
    middle = tuple(n // 2 for n in grid)
    inverses, bases, total = [], [], torch.zeros((), dtype=unit.dtype, device=unit.device)
    for axis, n in enumerate(grid):
        shape = [n if a == axis else 1 for a in range(len(grid))]
        line = tuple(slice(None) if a == axis else m for a, m in enumerate(middle))

        def across(v: Tensor, shape: list[int] = shape, line: tuple[slice | int, ...] = line) -> Tensor:
            return whole(v.reshape(-1, 1, *shape).expand(-1, width, *grid))[(..., *line)]

        near = tuple((k,) for k in range(-min(reach[axis], n - 1), min(reach[axis], n - 1) + 1))
        weights, columns = diagonals(across, 1, (n,), near, (periodic[axis],), unit)
        entries = weights.unflatten(1, (width, n)).permute(1, 2, 0)
        matrix = torch.zeros(width, n, n, dtype=weights.dtype, device=unit.device)
        matrix = matrix.scatter_add(2, columns[:, :n].T.expand(entries.shape), entries)
        mixed = matrix.real + 0.7 * matrix.imag if pairs else matrix
        if symmetric or periodic[axis]:
            basis = torch.linalg.eigh(mixed)[1]
            inverse = basis.mT
        else:
            basis = torch.linalg.eig(mixed)[1].real
            inverse = torch.linalg.inv(basis)
        own = (inverse.to(matrix.dtype) @ matrix @ basis.to(matrix.dtype)).diagonal(dim1=1, dim2=2)
        # what does not vary along any axis is in every A_a, and counts once
        if axis:
            own = own - matrix[:, middle[axis]].sum(1, keepdim=True)
        total = total + own.reshape(width, *shape)
        inverses.append(inverse)
        bases.append(basis)
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
def solve_axes(factors: tuple[Tensor, ...], right: Tensor) -> Tensor:
    """A^-1 b = V (sum_a lambda_a)^-1 V^-1 b for [B, C, *grid], with the factors of `factor_axes`."""
    d = right.dim() - 2
    inverse = factors[2 * d]
    value = torch.complex(*right.chunk(2, 1)) if inverse.is_complex() else right
    value = along_axes(factors[d : 2 * d], along_axes(factors[:d], value) * inverse)
    return torch.cat((value.real, value.imag), 1) if inverse.is_complex() else value
'''
