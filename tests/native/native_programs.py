"""Random programs that kernels march: those of `tests.reference.programs` with explicit schemes and leapfrog, on grids of any
number of cells, with more at walls and in convolutions."""

from __future__ import annotations

import random

from tests.reference.programs import Writer
from tests.reference.terms import Unknown

CELLS = (7, 8, 9, 11, 13, 15, 16, 17, 19, 23, 24, 25, 29, 31, 32, 33, 37, 40, 41, 48, 64, 67)
"""Beside multiples of a vector and of a block of rows, and primes."""

MOST = {1: 70, 2: 40, 3: 12}


def generate(seed: int) -> str:
    """The program of a seed."""
    return NativeWriter(random.Random(seed)).program(seed)


class NativeWriter(Writer):
    """What has no kernels is not drawn."""

    def _dimensions(self) -> int:
        return self.rng.choices([1, 2, 3], [6, 6, 2])[0]

    def _kind(self) -> str:
        return self.rng.choices(["explicit", "leapfrog"], [5, 1])[0]

    def _cells(self, dimensions: int, kind: str) -> int:
        """As few as the stencils allow, or more."""
        least = {2: 3, 4: 5, 6: 7, 8: 9}[self.order]
        if self.rng.random() < 0.4:
            return self.rng.randint(least, least + 6)
        return self.rng.choice([n for n in CELLS if least <= n <= MOST[dimensions]])

    def _convolution(self, u: Unknown, x: str) -> str:
        return self._dense(u, x)

    def _stencil(self, u: Unknown) -> str:
        """Adjoints of what others continue by ghost cells, products of layers, too."""
        if self.rng.random() < 0.5:
            return super()._stencil(u)
        self.corners = True
        name, n = self._name("K"), u.name
        timed = f"({self.time})" if self.rng.random() < 0.3 else ""
        self._add(f"learn {name}{timed} stencil {'x'.join(['3'] * len(self.space))}")
        return "0.1*" + self.rng.choice([
            f"adjoint({name})({n})", f"adjoint({name})({n}^2)", f"{name}({n})*{name}(tanh({n}))",
            f"adjoint({name})({name}({n}))*{n}", f"tanh({name}({n})*adjoint({name})({n}))", f"{name}(adjoint({name})({n}))",
        ])  # fmt: skip

    def _data(self, axis: str, kind: str, u: Unknown) -> str:
        """Learned and given data that vary with time, along the wall or not."""
        others = [c for c in self.space if c != axis and self.rng.random() < 0.5]
        if self.rng.random() < 0.7 or (len(self.bounded) > 1 and (self.corners or others)):
            return super()._data(axis, kind, u)
        name = self._name("q")
        timed = [self.time] if self.rng.random() < 0.6 or not others else []
        start = " = 0.2" if self.rng.random() < 0.5 else ""
        verb = self.rng.choice(["learn", "input"])
        self._add(f"{verb} {name}({', '.join([*others, *timed])}){start if verb == 'learn' else ''}")
        return self.rng.choice([name, f"0.3*{name}", f"{name} + 0.1*cos({self.time})"])
