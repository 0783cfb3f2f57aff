"""Docstrings and methods that are the same in every emitted module."""

from __future__ import annotations

LOOP_DOC = '''
"""Steps. Returns the last state; with `every`, each `every`-th one from the start on; what `read` gives after
each step. The latter two are stacked along axis 1."""
'''

MARCH_DOC = '''
"""Marches `steps` steps (default: all) of DT from step `start`.

Returns the last state [B, C, *grid], or with `every` the states [B, steps // every + 1, C, *grid] from the
start on.
"""
'''

CHECK_INPUTS = '''
def _check(self, **inputs: Tensor | None) -> int:
    """The common batch of the inputs; raises if one is missing or has another shape than the model says."""
    batch = None
    for name, value in inputs.items():
        expected = self.INPUTS[name]
        wanted = f"[B{''.join(', T' if n is None else f', {n}' for n in expected)}]"
        if not isinstance(value, Tensor):
            raise TypeError(f"input '{name}' must be a tensor {wanted}")
        shape = tuple(value.shape[1:])
        if len(shape) != len(expected) or any(n not in (None, m) for n, m in zip(expected, shape, strict=True)):
            raise ValueError(f"input '{name}' must be {wanted}, got {list(value.shape)}")
        if batch is not None and value.shape[0] != batch:
            raise ValueError(f"input '{name}' has a batch of {value.shape[0]}, another input has {batch}")
        if value.dtype != self.unit.dtype:
            raise TypeError(f"input '{name}' must be {self.unit.dtype}, got {value.dtype}")
        batch = value.shape[0]
    return 1 if batch is None else batch
'''

CHECK_STATE = '''
def _check_state(self, state: Tensor) -> None:
    """Raises if a state is not [B, C, *grid] of the module's type."""
    channels = sum(n for _, n, _ in self.FIELDS.values())
    if tuple(state.shape[1:]) != (channels, *self.GRID):
        fields = ", ".join(self.FIELDS)
        raise ValueError(f"the state ({fields}) must be {['B', channels, *self.GRID]}, got {list(state.shape)}")
    if state.dtype != self.unit.dtype:
        raise TypeError(f"the state must be {self.unit.dtype}, got {state.dtype}")
'''

PACK = '''
def pack(self, **fields: Tensor) -> Tensor:
    """A state [B, C, *grid] from named fields [B, *grid], or [B, n, *grid] with components."""
    parts = []
    for name, (_, channels, is_complex) in self.FIELDS.items():
        if name not in fields:
            raise ValueError(f"field '{name}' is missing")
        value = fields[name]
        if value.dim() == 1 + len(self.GRID):
            value = value.unsqueeze(1)
        if value.is_complex() and not is_complex:
            raise TypeError(f"field '{name}' is real, got {value.dtype}")
        if is_complex:
            value = value + 0j  # real values are complex ones, too
            value = torch.cat((value.real, value.imag), dim=1)
        if tuple(value.shape[1:]) != (channels, *self.GRID):
            raise ValueError(f"field '{name}' must be {['B', *self.GRID]}, got {list(fields[name].shape)}")
        parts.append(value.to(self.unit))
    return torch.cat(parts, dim=1)
'''

PACK_LAYERS = PACK.replace(
    """        if name not in fields:
""",
    """        if name in LAYERS and name not in fields:  # absorbing layers are empty at the start
            parts.append(torch.zeros_like(parts[0][:, :1]))
            continue
        if name not in fields:
""",
)
"""The same where absorbing layers have unknowns of their own."""

UNPACK = '''
def unpack(self, state: Tensor) -> dict[str, Tensor]:
    """The fields of states [..., C, *grid] by name, complex where they are; scalar ones without a channel axis."""
    fields = {}
    dim = -1 - len(self.GRID)
    for name, (first, channels, is_complex) in self.FIELDS.items():
        value = state.narrow(dim, first, channels)
        if is_complex:
            value = torch.complex(*value.split(channels // 2, dim))
        fields[name] = value.squeeze(dim) if name not in self.VECTORS else value
    return fields
'''
