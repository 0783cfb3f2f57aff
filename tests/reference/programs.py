"""Random well-typed programs: `generate(seed)` is a small `.npde` text that checks, and whose few steps stay finite.

All statement kinds are drawn: one to three dimensions (or none), real, complex and vector fields of first and second order,
every kind of `let`, `learn` and `input`, boundary conditions of every kind with all sorts of data, fluxes, nonlocal terms,
stencils with adjoints, closures, outputs. The scheme decides what an equation may hold. `values` draws what is learned and
supplied.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.reference.draws import values
from tests.reference.terms import Terms, Unknown

__all__ = ["generate", "values"]

EXPLICIT = ("euler", "midpoint", "heun", "ssprk3", "rk4", "ab2", "ab3")

CHOICES = {
    "explicit": EXPLICIT,
    "leapfrog": ("leapfrog",),
    "crank_nicolson": ("crank_nicolson", "crank_nicolson", "backward_euler", "bdf2"),
    "strang": ("strang", "lie"),
    "exponential": ("etd1", "etdrk2", "etdrk4"),
    "newton": ("backward_euler", "crank_nicolson", "bdf2"),
    "imex": ("imex_euler", "cnab2", "sbdf2"),
}
"""The schemes of each kind; the kind decides what an equation may hold."""


def generate(seed: int) -> str:
    """The program of a seed."""
    return Writer(random.Random(seed)).program(seed)


@dataclass
class Writer(Terms):
    """Writes one program; everything it declares is remembered so that later statements can use it."""

    rng: random.Random
    space: list[str] = field(default_factory=list)
    bounded: list[str] = field(default_factory=list)
    time: str = "t"
    unknowns: list[Unknown] = field(default_factory=list)
    scheme: str = "rk4"
    order: int = 2
    steps: int = 3
    declarations: list[str] = field(default_factory=list)
    names: int = 0
    smooth_scalars: list[str] = field(default_factory=list)
    arrays: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    closures: list[tuple[str, int]] = field(default_factory=list)
    lower: dict[str, str] = field(default_factory=dict)
    upper: dict[str, str] = field(default_factory=dict)
    corners: bool = False
    style: str = "diffusive"
    forward: bool = True
    highest: int = 2

    # --- the file -----------------------------------------------------------------------------------------------------

    def program(self, seed: int) -> str:
        """All statements."""
        rng = self.rng
        dimensions = self._dimensions()
        self.space = ["x", "y", "z"][:dimensions]
        self.time = "z" if dimensions < 3 and rng.random() < 0.1 else "t"
        kind = self._kind()
        if not dimensions:
            kind = "explicit"
        self.bounded = [c for c in self.space if rng.random() < 0.45]
        if kind == "exponential" or (kind == "strang" and rng.random() < 0.8):
            self.bounded = []
        self.scheme = rng.choice(CHOICES[kind])
        self.order = rng.choices([2, 4, 6, 8], [5, 4, 2, 1])[0]
        if self.bounded and self.order >= 6:
            self.order = 4
        if self.space and kind in ("explicit", "crank_nicolson"):
            self.style = rng.choices(["diffusive", "plate", "transport"], [6, 1, 2 if self.bounded else 0])[0]
        self.forward = rng.random() < 0.7
        self.highest = 4 if self.style == "plate" else 2
        if dimensions == 3 and kind not in ("explicit", "leapfrog"):
            self.order = 2
        extents = [self._extent(c) for c in self.space]
        cells = {c: self._cells(dimensions, kind) for c in self.space}
        self._unknowns(kind)
        self._declare(dimensions)
        equations = self._equations(kind)
        boundary = self._boundary(kind)
        initials = self._initials(kind)
        outputs = self._outputs()
        self.steps = rng.randint(2, 5)
        length = self._length(cells, kind)
        coordinates = ", ".join([*extents, f"{self.time} in [0, {length}]"])
        march = f"march {self.scheme}" + (f" along {self.time}" if self.time != "t" else "")
        plain = all(u.components == 1 and not u.is_complex and not u.second_order for u in self.unknowns)
        biased = ""
        if self.style == "transport" and kind == "explicit" and plain and rng.random() < 0.6:
            biased = f", upwind {rng.choice([1, 3, 5])}"
        shown = [f"grid {', '.join(f'{c}: {n}' for c, n in cells.items())}{biased}"] if cells else []
        shown += [f"order {self.order}"] if self.order != 2 or rng.random() < 0.2 else []
        lines = [
            f'model random_{seed} "Drawn from seed {seed}."',
            f"coordinates {coordinates}",
            *(f"field {self._field(u)}" for u in self.unknowns),
            *self.declarations,
            *equations,
            *boundary,
            *initials,
            *outputs,
            *shown,
            f"{march}, steps: {self.steps}",
        ]
        return "\n".join(lines) + "\n"

    def _dimensions(self) -> int:
        return self.rng.choices([0, 1, 2, 3], [1, 9, 7, 2])[0]

    def _kind(self) -> str:
        return self.rng.choices(list(CHOICES), [8, 2, 3, 3, 2, 2, 2])[0]

    def _extent(self, coordinate: str) -> str:
        self.lower[coordinate] = self.rng.choice(["0", "0", "0", "-1", "0.5"])
        self.upper[coordinate] = self.rng.choice(["1", "2", "1.5", "pi"])
        return f"{coordinate} in [{self.lower[coordinate]}, {self.upper[coordinate]}]"

    def _cells(self, dimensions: int, kind: str) -> int:
        """Enough for the stencils; few where the interpreter needs dense matrices."""
        least = {2: 5, 4: 7, 6: 8, 8: 11}[self.order]
        most = {1: 14, 2: 9, 3: 8}[dimensions] if kind in ("explicit", "leapfrog") else {1: 14, 2: 8, 3: 5}[dimensions]
        most = least + 1 if kind in ("exponential", "newton", "imex") else most
        return self.rng.randint(least, max(least, most))

    def _length(self, cells: dict[str, int], kind: str) -> str:
        """An extent in time whose steps are small against the fastest mode."""
        widths = [(float(self._number(self.upper[c])) - float(self.lower[c])) / n for c, n in cells.items()]
        step = 0.01
        if widths and kind in ("explicit", "leapfrog"):
            h = min(widths)
            share = 0.003 if self.bounded and self.order > 2 else 0.03  # ghost cells of steep data are large
            step = min(step, share * h**2 / len(widths), share * h**self.highest / len(widths))
        return f"{self.steps * step:.3g}"

    def _number(self, text: str) -> str:
        return "3.141592653589793" if text == "pi" else text

    def _field(self, u: Unknown) -> str:
        size = f"[{u.components}]" if u.components > 1 else ""
        everything = ", ".join([*self.space, self.time])
        return f"{u.name}{size}({everything}){' complex' * u.is_complex}"

    # --- declarations -------------------------------------------------------------------------------------------------

    def _unknowns(self, kind: str) -> None:
        rng = self.rng
        count = rng.choices([1, 2, 3], [6, 4, 1])[0]
        for name in ["u", "v", "w"][:count]:
            is_complex = rng.random() < (0.6 if kind == "strang" else 0.25)
            components = rng.choice([2, 3]) if rng.random() < 0.2 and kind == "explicit" else 1
            if kind == "leapfrog" and is_complex:
                self.unknowns = [Unknown("psi", 1, True)]
                return
            second = kind == "leapfrog" or (kind == "explicit" and rng.random() < 0.15)
            self.unknowns.append(Unknown("psi" if is_complex and count == 1 else name, components, is_complex, second))

    def _name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def _add(self, text: str) -> None:
        self.declarations.append(text)

    def _declare(self, dimensions: int) -> None:
        rng = self.rng
        if rng.random() < 0.6:
            name = self._name("k")
            self._add(f"let {name} = {rng.choice(['0.5', '1/3', 'pi/4', 'sqrt(2)/3', '2e-1'])}")
            self.smooth_scalars.append(name)
        for _ in range(rng.randint(0, 2)):
            name = self._name("V")
            over = [c for c in self.space if rng.random() < 0.7] or self.space[:1]
            timed = rng.random() < 0.3 or not over
            arguments = [*over, *([self.time] if timed else [])]
            self._add(f"let {name}({', '.join(arguments)}) = {self._closed(arguments)}")
            self.known.append(name)
        for _ in range(rng.randint(0, 2)):
            name = self._name("D")
            choice = rng.choice([" = 0.3 > 0", " = 0.5 in [0, 1]", " = 0.2", " = 0.1 < 0.5"])
            self._add(f"learn {name}{choice}")
            self.smooth_scalars.append(name)
        if rng.random() < 0.25:
            name = self._name("r")
            self._add(f"learn {name}({self.time}) = 0.2")
            self.arrays.append(name)
        if dimensions and rng.random() < 0.5:
            name = self._name("a")
            over = [c for c in self.space if rng.random() < 0.7] or self.space[:1]
            timed = rng.random() < 0.2
            listed = ", ".join([*over, *([self.time] if timed else [])])
            start = rng.choice([" = 0.5 > 0", f" = 1 + 0.1*sin({over[0]})", " = 0.2 in [-1, 1]"])
            self._add(f"learn {name}({listed}){start}")
            self.arrays.append(name)
        if rng.random() < 0.35:
            name = self._name("s")
            over = [c for c in self.space if rng.random() < 0.5]
            listed = [*over, *([self.time] if rng.random() < 0.5 else [])]
            self._add(f"input {name}" + (f"({', '.join(listed)})" if listed else ""))
            self.arrays.append(name)
        if rng.random() < 0.25:
            name, count = self._name("f"), rng.choice([1, 2])
            arguments = ", ".join(["p", "q"][:count])
            activation = rng.choice(["tanh", "sigmoid", "softplus", "gelu", "sin"])
            self._add(f"learn {name}({arguments}) = mlp({rng.choice(['4', '4, 3'])}, {activation})")
            self.closures.append((name, count))

    def _closed(self, over: list[str]) -> str:
        """A bounded function of coordinates."""
        rng = self.rng
        x = rng.choice(over)
        y = rng.choice(over)
        return rng.choice([
            f"sin({x} + 0.5*{y})", f"0.5 + 0.2*cos(2*{x})*exp(-{y}^2)", f"exp(-({x} - 0.4)^2)", f"tanh({x})/(1 + {y}^2)",
            f"where({x} > 0.4, 0.3, 0.1*{y})", f"sech({x})*{y}", f"min(0.5, {x}^2)", f"sqrt(1 + {x}^2) - 1",
        ])  # fmt: skip

    # --- boundary conditions ------------------------------------------------------------------------------------------

    def _boundary(self, kind: str) -> list[str]:
        rng = self.rng
        if not self.space:
            return []
        if not self.bounded:
            return rng.choice([["boundary periodic"], [f"boundary {c}: periodic" for c in self.space]])
        lines = [f"boundary {c}: periodic" for c in self.space if c not in self.bounded]
        if self.style == "transport":
            return [*lines, *(line for c in self.bounded for line in self._through(c, kind))]
        if rng.random() < 0.2 and kind != "strang" and self.style == "diffusive":
            clauses = [rng.choice([f"{u.name} = 0", f"dn({u.name}) = 0"]) for u in self.unknowns]
            return [*lines, f"boundary {', '.join(clauses)}"]
        for c in self.bounded:
            for position in (self.lower[c], self.upper[c]):
                wall = self._clamped if self.style == "plate" else self._wall
                clauses = [wall(u, c, kind) for u in self.unknowns]
                lines.append(f"boundary {c} = {position}: {', '.join(clauses)}")
        return lines

    def _through(self, axis: str, kind: str) -> list[str]:
        """A condition where the flow enters, none where it leaves."""
        ends = [self.lower[axis], self.upper[axis]]
        enters = ends[0 if self.forward else 1]
        clauses = [
            self.rng.choice([f"{u.name} = ", f"dn({u.name}) = "]) + self._data(axis, kind, u) for u in self.unknowns
        ]
        lines = {enters: ", ".join(clauses)}
        return [f"boundary {axis} = {end}: {lines.get(end, 'outflow')}" for end in ends]

    def _clamped(self, u: Unknown, axis: str, kind: str) -> str:
        """Two conditions, for operators of order four."""
        rng, n = self.rng, u.name
        others = [c for c in self.space if c != axis]
        closed = rng.choice(["0", "0.3", *[f"0.2*sin({c})" for c in others]])
        return rng.choice([
            f"{n} = {self._data(axis, kind, u)}, dn({n}) = {closed}", f"{n} + 0.5*dn({n}) = {closed}, dn(dn({n})) = 0.1",
            f"{n} = {closed}, lap({n}) = {self._data(axis, kind, u)}", f"2*dn({n}) = {closed}, dn(lap({n})) = 0.2",
            f"dn(dn({n})) = {self._data(axis, kind, u)}, dn(dn(dn({n}))) = {closed}",
        ])  # fmt: skip

    def _wall(self, u: Unknown, axis: str, kind: str) -> str:
        rng = self.rng
        data = self._data(axis, kind, u)
        if kind == "leapfrog" and u.is_complex:
            return rng.choice([f"{u.name} = 0", f"dn({u.name}) = 0"])
        robin = rng.choice(["0.5", "2", *[s for s in self.smooth_scalars if s.startswith("D")]])
        return rng.choice([
            f"{u.name} = {data}", f"dn({u.name}) = {data}", f"{u.name} + {robin}*dn({u.name}) = {data}",
            f"dn({u.name}) = {data} - 0.3*{u.name}",
        ])  # fmt: skip

    def _data(self, axis: str, kind: str, u: Unknown) -> str:
        """Wall data: numbers, functions of the other coordinates and time, learned values, inputs."""
        rng = self.rng
        choices = ["0", "0.3", "1/4"]
        others = [c for c in self.space if c != axis]
        choices += [f"0.2*sin({c})" for c in others] + [f"0.1*cos({self.time})"]
        choices += [s for s in self.smooth_scalars if s.startswith(("D", "k"))]
        if u.is_complex and kind != "leapfrog":
            choices.append("0.1*i")
        if others and not (self.corners and len(self.bounded) > 1) and rng.random() < 0.3:
            name = self._name("q")
            self._add(f"{rng.choice(['learn', 'input'])} {name}({rng.choice(others)})")
            return name
        return rng.choice(choices)

    # --- ends ---------------------------------------------------------------------------------------------------------

    def _initials(self, kind: str) -> list[str]:
        lines = []
        for u in self.unknowns:
            lines.append(f"initial {u.name} = {self._start(u)}")
            if u.second_order:
                lines.append(f"initial d{self.time}({u.name}) = {self._start(u)}")
        return lines

    def _start(self, u: Unknown) -> str:
        rng = self.rng
        if self.space and rng.random() < 0.12:
            name, size = self._name("m"), rng.choice(["", "[2]", "[3]"])
            self._add(f"input {name}{size}({', '.join(self.space)})")
            return rng.choice([f"lift({name})", f"0.5*lift({name}) + 0.1"])
        waves = [f"0.5*sin(2*{c} + 0.3)" for c in self.space] or ["0.7"]
        single = [*waves, f"exp(-({self.space[0]} - 0.5)^2)" if self.space else "0.2", "noise(3, 0.2)", "0.4"]
        plain = [a for a in self.arrays if not self._varies_in_time(a)]
        single += plain
        if u.components > 1:
            pieces = [rng.choice(single) for _ in range(u.components)]
            return rng.choice([f"[{', '.join(pieces)}]", rng.choice(single), "noise(5, 0.3)"])
        if u.is_complex:
            return f"({rng.choice(single)} + 0.2)*exp(i*{rng.choice(waves)})"
        return f"{rng.choice(single)} + {rng.choice(single)}"

    def _varies_in_time(self, name: str) -> bool:
        return any(f" {name}(" in d and self._mentions_time(d) for d in self.declarations)

    def _outputs(self) -> list[str]:
        rng = self.rng
        lines = []
        for _ in range(rng.choices([0, 1, 2], [5, 4, 2])[0]):
            u = rng.choice(self.unknowns)
            name = self._name("y")
            part = self._part(u)
            everything = ", ".join(self.space)
            choices = [f"({self.time}) = {self._real(2) if not self.space else f'integral({part}, {everything})'}"]
            if self.space:
                listed = ", ".join(self.space)
                choices += [
                    f"({listed}, {self.time}) = {self._real(2)}",
                    f"({listed}) = {self._real(1)}",
                    f"[3] = linear({part})",
                    f" = mean({part}, {everything})",
                ]
                if len(self.space) < 3:
                    choices += [f"[4] = regions({part}, 4)", f"[2]({self.time}) = linear(regions({part}, 3))"]
                if len(self.space) == 2:
                    choices.append(f"({self.space[0]}) = integral({part}, {self.space[1]})")
            if u.second_order and u.components == 1 and not u.is_complex:
                choices.append(f"({', '.join([*self.space, self.time])}) = d{self.time}({u.name})")
            lines.append(f"output {name}{rng.choice(choices)}")
        return lines
