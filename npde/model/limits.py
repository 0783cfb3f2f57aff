"""Documented limits, checked on npde's own records before SymPy or an allocator sees anything."""

MAX_FIELDS = 256
"""Fields of a problem."""

MAX_COMPONENTS = 4096
"""Components of a field, input or coefficient (rows and columns of a matrix, channels of a kernel)."""

MAX_CELLS = 2**30
"""Cells of a grid, all axes together."""

MAX_STEPS = 10**9
"""Steps of a march."""

MAX_EXPONENT = 1000
"""Size of a constant exponent."""

MAX_BITS = 2048
"""Bits of the numerator or denominator of an exact constant."""

MAX_DERIVATIVE = 12
"""Order of one derivative."""

MAX_WIDTH = 65536
"""Units of a layer of a closure."""

MAX_LAYERS = 64
"""Hidden layers of a closure."""

MAX_STENCIL = 31
"""Cells of a learned stencil along one axis."""

MAX_NODES = 100_000
"""Nodes of an expression once every known function in it is written out."""

MAX_DEPTH = 250
"""Nesting of an expression, of chains of known functions, and of both together (sums and products count once)."""

CHAIN = 32
"""Terms up to which a sum or product stays as written; longer ones become balanced trees of the same value."""
