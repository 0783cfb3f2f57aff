"""Terms and equations of random programs: what each scheme may hold, written as text."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Unknown:
    """A field of the program."""

    name: str
    components: int
    is_complex: bool
    second_order: bool = False


class Terms:
    """The part of a writer that writes equations."""

    rng: random.Random
    space: list[str]
    bounded: list[str]
    time: str
    unknowns: list[Unknown]
    smooth_scalars: list[str]
    arrays: list[str]
    known: list[str]
    closures: list[tuple[str, int]]
    lower: dict[str, str]
    declarations: list[str]
    corners: bool
    style: str
    forward: bool
    highest: int
    _name: Callable[[str], str]
    _add: Callable[[str], None]

    # --- pointwise expressions ----------------------------------------------------------------------------------------

    def _real_atom(self, moving: bool) -> str:
        rng = self.rng
        choices = [f"{rng.choice([0.1, 0.25, 0.5, 1, 1.5])}", *self.smooth_scalars, *self.known, *self.arrays]
        if moving:
            choices += [self._part(u) for u in self.unknowns] * 3
        return rng.choice(choices)

    def _part(self, u: Unknown) -> str:
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

    def _pointwise(self, u: Unknown, depth: int) -> str:
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

    def _diffusion(self, u: Unknown, *, constant: bool) -> str:
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

    def _nonlinear_diffusion(self, u: Unknown) -> str:
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

    def _nonlocal(self, u: Unknown) -> str:
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

    def _dense(self, u: Unknown, x: str) -> str:
        name = self._name("W")
        timed = f", {self.time}" if self.rng.random() < 0.3 else ""
        self._add(f"learn {name}({x}, {x}'{timed})")
        inside = ", ".join(f"{c}'" if c == x else c for c in self.space)
        return f"tanh(integral({name}({x}, {x}')*{u.name}({inside}), {x}'))"

    def _convolution(self, u: Unknown, x: str) -> str:
        if self.lower[x] != "0":
            return f"0.2*integral({u.name}, {x})"
        name = self._name("c")
        self._add(f"learn {name}({x})")
        inside = ", ".join(f"{c}'" if c == x else c for c in self.space)
        return f"0.2*integral({name}({x} - {x}')*{u.name}({inside}), {x}')"

    def _stencil(self, u: Unknown) -> str:
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

    def _equation(self, u: Unknown, kind: str) -> str:
        rng = self.rng
        t = self.time
        left = f"d{t}{t}({u.name})" if u.second_order else f"d{t}({u.name})"
        if kind == "strang":
            return self._split_equation(u, left)
        if self.style == "transport":
            return self._transport(u, left, kind)
        if kind in ("exponential", "newton", "imex"):
            x, equation = rng.choice(self.space), self._split_equation(u, left)
            if kind == "imex" and rng.random() < 0.5:
                equation += f" + 0.1*div((1 + 0.2*{x}^2)*grad({u.name}))"
            if kind == "newton" or not self.bounded:  # data at walls enter the derivative at zero of a product
                equation += f" - 0.1*d{x}({u.name}^2)"
            return equation
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
        if self.style == "plate":
            inside = rng.choice(["lap({0})", "{0} + lap({0})", "0.1*{0}^3 + lap({0})"]).format(u.name)
            terms.append(f"-0.001*lap({inside})")
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

    def _transport(self, u: Unknown, left: str, kind: str) -> str:
        """First derivatives across every axis, the sign of the speed the same; diffusion where nothing bounds it."""
        rng = self.rng
        speeds = ["0.5", *(["(1 + x^2)"] if "x" in self.space else [])]
        if kind == "explicit":
            speeds += [f"(1 + ({self._part(rng.choice(self.unknowns))})^2)"]
        terms = [self._pointwise(u, 2)] if kind == "explicit" else ["0.2", f"0.3*{u.name}"]
        sign = "-" if self.forward else ""
        for c in self.space:
            terms.append(f"{sign}{rng.choice(speeds)}*d{c}({u.name})")
            if kind == "explicit" and u.components == 1 and not u.is_complex and rng.random() < 0.3:
                terms.append(f"{sign}d{c}({u.name}^3/3 + {self._real(0, moving=False)})")
            if c not in self.bounded:
                terms.append(f"0.1*d{c}{c}({u.name})")
        return f"{left} = " + " + ".join(terms)

    def _linear_equation(self, u: Unknown, left: str) -> str:
        """Linear, coefficients fixed in time; sources may vary."""
        rng = self.rng
        still = list(self.smooth_scalars)
        still += [
            a
            for a in self.known
            if not any(d.startswith(f"let {a}(") and self._mentions_time(d) for d in self.declarations)
        ]
        coefficient = rng.choice([*still, "0.4"])
        other = rng.choice([v for v in self.unknowns if v.components == u.components])
        terms = [self._factor() + f"*lap({u.name})", f"{coefficient}*{u.name}"]
        if self.style == "plate":
            terms.append(f"-0.001*lap(lap({u.name}))")
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

    def _hamiltonian(self, u: Unknown, left: str) -> str:
        """Forces without velocities."""
        potential = self.rng.choice([*self.smooth_scalars, *self.known, *self.arrays, "0.5"])
        if u.is_complex:
            return f"i*{left} = -0.5*lap({u.name}) + {potential}*{u.name}"
        return f"{left} = {self._diffusion(u, constant=False)} - {self._real(2)}"

    def _split_equation(self, u: Unknown, left: str) -> str:
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
