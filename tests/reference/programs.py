"""Random well-typed programs: `generate(seed)` is a small `.npde` text that checks, and whose few steps stay finite.

All statement kinds are drawn: one to three dimensions (or none), real, complex and vector fields of first and second order,
every kind of `let`, `learn` and `input`, boundary conditions of every kind with all sorts of data, fluxes, nonlocal terms,
stencils with adjoints, closures, outputs. The scheme decides what an equation may hold. `values` draws what is learned and
supplied.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from npde.model.problem import LearnedClosure, LearnedCoefficient, LearnedStencil, Problem

EXPLICIT = ("euler", "midpoint", "heun", "ssprk3", "rk4", "ab2")


def generate(seed: int) -> str:
    """The program of a seed."""
    return _Writer(random.Random(seed)).program(seed)


def values(
    problem: Problem, generator: np.random.Generator, *, batch: int, steps: int, widths: dict[str, tuple[int, int]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Learned values (within their constraints) and inputs for `interpret`.

    `widths` gives (out, in) of `lift.k` and `linear.k`, which no declaration states.
    """
    cells = dict(problem.numerics.cells)
    learned: dict[str, np.ndarray] = {}

    def grid(coordinates: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(cells[c.rstrip("'")] for c in coordinates if c != problem.marching)

    for declared in problem.learned:
        match declared:
            case LearnedCoefficient():
                shape = (steps,) * (problem.marching in declared.coordinates)
                shape += (*declared.shape, *grid(declared.coordinates))
                kept = declared.constraint
                lower = float(kept.lower) if kept and kept.lower is not None else None
                upper = float(kept.upper) if kept and kept.upper is not None else None
                drawn = generator.uniform(0.2, 0.8, size=shape)
                if lower is not None and upper is not None:
                    drawn = lower + (upper - lower) * drawn
                elif lower is not None:
                    drawn = lower + drawn
                elif upper is not None:
                    drawn = upper - drawn
                else:
                    drawn = 2 * drawn - 1
                learned[declared.name] = drawn
            case LearnedStencil():
                shape = (steps,) * declared.per_step + declared.channels + declared.extents
                learned[declared.name] = 0.3 * generator.normal(size=shape)
            case LearnedClosure():
                sizes = [len(declared.parameters), *declared.widths, declared.shape[0] if declared.shape else 1]
                for k, (into, out) in enumerate(zip(sizes, sizes[1:], strict=False)):
                    learned[f"{declared.name}.{k}.weight"] = 0.5 * generator.normal(size=(out, into))
                    learned[f"{declared.name}.{k}.bias"] = 0.5 * generator.normal(size=out)
    for name, (out, into) in widths.items():
        learned[f"{name}.weight"] = 0.5 * generator.normal(size=(out, into))
        learned[f"{name}.bias"] = 0.5 * generator.normal(size=out)
    inputs = {}
    for given in problem.inputs:
        shape = (batch, *(steps,) * (problem.marching in given.coordinates), *given.shape, *grid(given.coordinates))
        inputs[given.name] = 0.5 * generator.normal(size=shape)
    return learned, inputs


@dataclass
class _Unknown:
    name: str
    components: int
    is_complex: bool
    second_order: bool = False


@dataclass
class _Writer:
    """Writes one program; everything it declares is remembered so that later statements can use it."""

    rng: random.Random
    space: list[str] = field(default_factory=list)
    bounded: list[str] = field(default_factory=list)
    time: str = "t"
    unknowns: list[_Unknown] = field(default_factory=list)
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

    # --- the file -----------------------------------------------------------------------------------------------------

    def program(self, seed: int) -> str:
        """All statements."""
        rng = self.rng
        dimensions = rng.choices([0, 1, 2, 3], [1, 9, 7, 2])[0]
        self.space = ["x", "y", "z"][:dimensions]
        self.time = "z" if dimensions < 3 and rng.random() < 0.1 else "t"
        kind = rng.choices(["explicit", "leapfrog", "crank_nicolson", "strang"], [8, 2, 3, 3])[0]
        if not dimensions:
            kind = "explicit"
        self.bounded = [c for c in self.space if rng.random() < 0.45]
        if kind == "strang" and rng.random() < 0.8:
            self.bounded = []
        self.scheme = rng.choice(EXPLICIT) if kind == "explicit" else kind
        self.order = rng.choices([2, 4, 6], [5, 4, 2])[0]
        if self.bounded and self.order == 6:
            self.order = 4
        extents = [self._extent(c) for c in self.space]
        cells = {c: self._cells(dimensions) for c in self.space}
        self._unknowns(kind)
        self._declare(dimensions)
        equations = self._equations(kind)
        boundary = self._boundary(kind)
        initials = self._initials(kind)
        outputs = self._outputs()
        self.steps = rng.randint(2, 4)
        length = self._length(cells, kind)
        coordinates = ", ".join([*extents, f"{self.time} in [0, {length}]"])
        march = f"march {self.scheme}" + (f" along {self.time}" if self.time != "t" else "")
        shown = [f"grid {', '.join(f'{c}: {n}' for c, n in cells.items())}"] if cells else []
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

    def _extent(self, coordinate: str) -> str:
        self.lower[coordinate] = self.rng.choice(["0", "0", "0", "-1", "0.5"])
        self.upper[coordinate] = self.rng.choice(["1", "2", "1.5", "pi"])
        return f"{coordinate} in [{self.lower[coordinate]}, {self.upper[coordinate]}]"

    def _cells(self, dimensions: int) -> int:
        least = {2: 5, 4: 7, 6: 8}[self.order]
        most = {1: 14, 2: 9, 3: 8}[dimensions]
        return self.rng.randint(least, max(least, most))

    def _length(self, cells: dict[str, int], kind: str) -> str:
        """An extent in time whose steps are small against the fastest mode."""
        widths = [(float(self._number(self.upper[c])) - float(self.lower[c])) / n for c, n in cells.items()]
        step = 0.01
        if widths and kind in ("explicit", "leapfrog"):
            h = min(widths)
            step = min(step, 0.03 * h**2 / len(widths), 0.03 * h**self.highest / len(widths))
        return f"{self.steps * step:.3g}"

    def _number(self, text: str) -> str:
        return "3.141592653589793" if text == "pi" else text

    highest: int = 2

    def _field(self, u: _Unknown) -> str:
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
                self.unknowns = [_Unknown("psi", 1, True)]
                return
            second = kind == "leapfrog" or (kind == "explicit" and rng.random() < 0.15)
            self.unknowns.append(_Unknown("psi" if is_complex and count == 1 else name, components, is_complex, second))

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

    # --- pointwise expressions ----------------------------------------------------------------------------------------

    def _real_atom(self, moving: bool) -> str:
        rng = self.rng
        choices = [f"{rng.choice([0.1, 0.25, 0.5, 1, 1.5])}", *self.smooth_scalars, *self.known, *self.arrays]
        if moving:
            choices += [self._part(u) for u in self.unknowns] * 3
        return rng.choice(choices)

    def _part(self, u: _Unknown) -> str:
        """A real scalar of an unknown."""
        name = u.name if u.components == 1 else f"{u.name}[{self.rng.randrange(u.components)}]"
        if not u.is_complex:
            return name
        return self.rng.choice([f"re({name})", f"im({name})", f"abs2({name})"])

    def _real(self, depth: int, *, moving: bool = True) -> str:
        """A real scalar, bounded where its arguments are."""
        rng = self.rng
        if depth <= 0 or rng.random() < 0.15:
            return self._real_atom(moving)
        again = lambda: self._real(depth - 1, moving=moving)  # noqa: E731
        a = again()
        if self.closures and moving and rng.random() < 0.15:
            name, count = rng.choice(self.closures)
            return f"{name}({', '.join([a, again()][:count])})"
        return rng.choice([
            lambda: f"({a} + {again()})",
            lambda: f"({a} - {again()})",
            lambda: f"{a}*{again()}",
            lambda: f"tanh({a})",
            lambda: f"sin({a})",
            lambda: f"cos({a} + {again()})",
            lambda: f"exp(-({a})^2)",
            lambda: f"({a})^2",
            lambda: f"({a})/(1 + ({again()})^2)",
            lambda: f"sigmoid({a})",
            lambda: f"softplus({a})",
            lambda: f"gelu({a})",
            lambda: f"relu({a})",
            lambda: f"abs({a})",
            lambda: f"sqrt(1 + ({a})^2)",
            lambda: f"log(2 + sin({a}))",
            lambda: f"max({a}, {again()})",
            lambda: f"min({a}, {again()}, 0.7)",
            lambda: f"where({a} > {again()}, {again()}, -0.2)",
            lambda: f"-({a})",
        ])()  # fmt: skip

    def _pointwise(self, u: _Unknown, depth: int) -> str:
        """A term of the equation of `u`, of its kind and shape."""
        rng = self.rng
        if u.is_complex:
            return rng.choice([
                f"i*{self._real(depth)}*{u.name}", f"abs2({u.name})*{u.name}", f"0.3*conj({u.name})",
                f"(0.2 + 0.1*i)*{u.name}", f"exp(i*{self._real(depth - 1)})*{u.name}", f"{self._real(depth)}*{u.name}",
            ])  # fmt: skip
        if u.components > 1:
            items = ", ".join(self._real(depth) for _ in range(u.components))
            return rng.choice([f"[{items}]", f"{self._real(depth)}*{u.name}", f"tanh({u.name})"])
        return self._real(depth)

    # --- terms with derivatives ---------------------------------------------------------------------------------------

    def _factor(self) -> str:
        """A small constant factor."""
        return self.rng.choice(["0.1", "0.3", "0.5", *self.smooth_scalars[:1]])

    def _diffusion(self, u: _Unknown, *, constant: bool) -> str:
        """A second-order term across every axis."""
        rng = self.rng
        choices = [f"{self._factor()}*lap({u.name})"]
        if len(self.space) == 1:
            x = self.space[0]
            choices += [f"{self._factor()}*d{x}{x}({u.name})", f"{self._factor()}*d({u.name}, {x}, 2)"]
        if not constant:
            fields = [a for a in (*self.arrays, *self.known) if not a.startswith(("r", "s"))]
            coefficient = rng.choice([*fields, "(1 + 0.1*x)", "0.3"] if "x" in self.space else ["0.3"])
            choices.append(f"div({coefficient}*grad({u.name}))")
            choices.append(f"{coefficient}*lap({u.name})")
        return rng.choice(choices)

    def _nonlinear_diffusion(self, u: _Unknown) -> str:
        rng = self.rng
        x = rng.choice(self.space)
        other = self._part(rng.choice(self.unknowns))
        own = self._part(u) if u.components > 1 else u.name
        choices = [
            f"d{x}({u.name})*{other}",
            f"div((1 + ({other})^2)*grad({u.name}))",
            f"d{x}(0.2*{u.name}*{other})",
            f"0.1*dot(grad({other}), grad({other}))" if u.components == 1 else f"0.1*lap(tanh({u.name}))",
            f"d{x}{x}(0.1*{u.name} + 0.1*sin({other}))" if u.components == 1 else f"0.1*d{x}({u.name})",
            f"0.1*d{x}(d{x}({u.name}))",
        ]
        if len(self.space) > 1 and u.components == 1:
            self.corners = True
            a, b = rng.sample(self.space, 2)
            choices += [f"0.1*d{a}{b}({own})"]
        if u.components == 1 and not u.is_complex:
            vector = ", ".join(self._real(1) for _ in self.space)
            choices += [f"0.1*div([{vector}])", f"0.1*dot([{vector}], grad({own}))"]
        if not self.bounded and u.components == 1:
            choices += [f"0.01*d({u.name}, {x}, 3)", f"0.1*lap({other} - 0.02*lap({u.name}))"]
        chosen = rng.choice(choices)
        if ", 3)" in chosen:
            self.highest = max(self.highest, 3)
        if "lap(" in chosen and chosen.count("lap(") > 1:
            self.highest = 4
        return chosen

    def _nonlocal(self, u: _Unknown) -> str:
        """An integral, a learned kernel, a stencil."""
        rng = self.rng
        own = self._part(u) if u.components > 1 or u.is_complex else u.name
        x = rng.choice(self.space)
        everything = ", ".join(self.space)
        choices = [
            lambda: f"0.2*integral({own}, {everything})",
            lambda: f"0.3*mean(sin({own}), {x})",
            lambda: f"0.01*sum({own}, {everything})",
        ]
        if u.components == 1 and not u.is_complex:
            choices += [lambda: self._dense(u, x), lambda: self._stencil(u)] * 2
            if self.arrays and not self.bounded:
                choices.append(lambda: self._convolution(u, x))
        term = rng.choice(choices)()
        return term if u.components == 1 else f"{term}*{u.name}"

    def _dense(self, u: _Unknown, x: str) -> str:
        name = self._name("W")
        timed = f", {self.time}" if self.rng.random() < 0.3 else ""
        self._add(f"learn {name}({x}, {x}'{timed})")
        inside = ", ".join(f"{c}'" if c == x else c for c in self.space)
        return f"tanh(integral({name}({x}, {x}')*{u.name}({inside}), {x}'))"

    def _convolution(self, u: _Unknown, x: str) -> str:
        if self.lower[x] != "0":
            return f"0.2*integral({u.name}, {x})"
        name = self._name("c")
        self._add(f"learn {name}({x})")
        inside = ", ".join(f"{c}'" if c == x else c for c in self.space)
        return f"0.2*integral({name}({x} - {x}')*{u.name}({inside}), {x}')"

    def _stencil(self, u: _Unknown) -> str:
        rng = self.rng
        self.corners = True
        name = self._name("K")
        size = "x".join(["3"] * len(self.space))
        timed = f"({self.time})" if rng.random() < 0.3 else ""
        channels = rng.choice([0, 2])
        if channels:
            self._add(f"learn {name}[2, 2]{timed} stencil {size}")
            inner = f"{name}([{u.name}, {u.name}^2])"
            return f"0.1*{inner}[{rng.randrange(2)}]"
        start = rng.choice(["", " = lap", f" = d{self.space[0]}"])
        self._add(f"learn {name}{timed} stencil {size}{start}")
        return rng.choice(
            [f"0.1*{name}({u.name})", f"0.1*adjoint({name})(tanh({name}({u.name})))", f"0.1*{name}(tanh({u.name}))"]
        )

    # --- equations ----------------------------------------------------------------------------------------------------

    def _equations(self, kind: str) -> list[str]:
        return [self._equation(u, kind) for u in self.unknowns]

    def _equation(self, u: _Unknown, kind: str) -> str:
        rng = self.rng
        t = self.time
        left = f"d{t}{t}({u.name})" if u.second_order else f"d{t}({u.name})"
        if kind == "strang":
            return self._split_equation(u, left)
        if kind == "crank_nicolson":
            return self._linear_equation(u, left)
        if kind == "leapfrog":
            return self._hamiltonian(u, left)
        terms = [self._pointwise(u, 2) for _ in range(rng.randint(1, 2))]
        if self.space:
            terms.append(self._diffusion(u, constant=False))
            terms += [self._nonlinear_diffusion(u)] if rng.random() < 0.5 else []
            terms += [self._nonlocal(u)] if rng.random() < 0.4 else []
        if u.components > 1 and rng.random() < 0.5:
            name = self._name("A")
            self._add(f"learn {name}[{u.components}, {u.components}] = 0.1")
            terms.append(f"{name}@{u.name}")
        if u.second_order and rng.random() < 0.5:
            terms.append(f"-0.1*d{t}({u.name})")
        rng.shuffle(terms)
        if u.is_complex and rng.random() < 0.5:
            return f"i*{left} = " + " + ".join(terms)
        if rng.random() < 0.3:
            moved, *rest = terms
            return f"{left} - ({moved}) = " + (" + ".join(rest) if rest else "0")
        if rng.random() < 0.2 and u.components == 1:
            return f"(1 + ({self._real(1, moving=False)})^2)*{left} = " + " + ".join(terms)
        return f"{left} = " + " + ".join(terms)

    def _linear_equation(self, u: _Unknown, left: str) -> str:
        """Linear, coefficients fixed in time; sources may vary."""
        rng = self.rng
        still = [a for a in self.smooth_scalars]
        still += [
            a
            for a in self.known
            if not any(d.startswith(f"let {a}(") and self._mentions_time(d) for d in self.declarations)
        ]
        coefficient = rng.choice([*still, "0.4"])
        other = rng.choice([v for v in self.unknowns if v.components == u.components])
        terms = [self._factor() + f"*lap({u.name})", f"{coefficient}*{u.name}"]
        if rng.random() < 0.4:
            terms.append(f"0.2*d{rng.choice(self.space)}({u.name})")
        if rng.random() < 0.4 and other.is_complex == u.is_complex:
            terms.append(f"0.3*{other.name}")
        if rng.random() < 0.3:
            terms.append(f"div((1 + 0.2*{self.space[0]}^2)*grad({u.name}))")
        if rng.random() < 0.5:
            terms.append(f"{rng.choice(['0.2', *self.known])}")
        prefix = "i*" if u.is_complex and rng.random() < 0.7 else ""
        return f"{prefix}{left} = " + " + ".join(terms)

    def _mentions_time(self, declaration: str) -> bool:
        head = declaration.split("=", 1)[0]
        return f"{self.time})" in head or f"({self.time}" in head

    def _hamiltonian(self, u: _Unknown, left: str) -> str:
        """Forces without velocities."""
        potential = self.rng.choice([*self.smooth_scalars, *self.known, *self.arrays, "0.5"])
        if u.is_complex:
            return f"i*{left} = -0.5*lap({u.name}) + {potential}*{u.name}"
        return f"{left} = {self._diffusion(u, constant=False)} - {self._real(2)}"

    def _split_equation(self, u: _Unknown, left: str) -> str:
        """Constant coefficients before derivatives; anything pointwise."""
        rng = self.rng
        n = u.name
        linear = f"{rng.choice(['0.1', '0.3', *[s for s in self.smooth_scalars if s.startswith('D')]])}*lap({n})"
        if rng.random() < 0.3:
            linear += f" + 0.2*d{rng.choice(self.space)}({n})"
        if u.is_complex:
            potential = rng.choice([*self.known, *self.arrays, "0.5", f"abs2({n})"])
            return f"i*{left} = -0.5*lap({n}) + {potential}*{n}"
        reaction = rng.choice([
            f"0.5*{n}*(1 - {n})", f"{n} - {n}^3", f"0.3 - 0.2*{n}", f"-0.4*{n}^2", f"tanh({self._real(1)})",
            f"{n}/(1 + {n}^2)", f"0.5*{n} + {rng.choice([*self.known, '0.1'])}",
        ])  # fmt: skip
        return f"{left} = {linear} + {reaction}"

    # --- boundary conditions ------------------------------------------------------------------------------------------

    def _boundary(self, kind: str) -> list[str]:
        rng = self.rng
        if not self.space:
            return []
        if not self.bounded:
            return rng.choice([["boundary periodic"], [f"boundary {c}: periodic" for c in self.space]])
        lines = [f"boundary {c}: periodic" for c in self.space if c not in self.bounded]
        if rng.random() < 0.2 and kind != "strang":
            clauses = [rng.choice([f"{u.name} = 0", f"dn({u.name}) = 0"]) for u in self.unknowns]
            return [*lines, f"boundary {', '.join(clauses)}"]
        for c in self.bounded:
            for position in (self.lower[c], self.upper[c]):
                clauses = [self._wall(u, c, kind) for u in self.unknowns]
                lines.append(f"boundary {c} = {position}: {', '.join(clauses)}")
        return lines

    def _wall(self, u: _Unknown, axis: str, kind: str) -> str:
        rng = self.rng
        data = self._data(axis, kind, u)
        if kind == "leapfrog" and u.is_complex:
            return rng.choice([f"{u.name} = 0", f"dn({u.name}) = 0"])
        robin = rng.choice(["0.5", "2", *[s for s in self.smooth_scalars if s.startswith("D")]])
        return rng.choice([
            f"{u.name} = {data}", f"dn({u.name}) = {data}", f"{u.name} + {robin}*dn({u.name}) = {data}",
            f"dn({u.name}) = {data} - 0.3*{u.name}",
        ])  # fmt: skip

    def _data(self, axis: str, kind: str, u: _Unknown) -> str:
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

    def _start(self, u: _Unknown) -> str:
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
