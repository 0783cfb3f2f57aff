"""Random steady problems: linear and nonlinear, one or two axes, all kinds of walls, real and complex fields, learned and given
coefficients, systems, every way to solve. Reactions pull back, so that each has one solution near zero."""

from __future__ import annotations

import random


def generate(seed: int) -> str:
    """The program of a seed."""
    rng = random.Random(f"steady {seed}")
    axes = ["x", "y"][: rng.choice([1, 2])]
    order = rng.choice([2, 2, 4])
    cells = {a: rng.randint({2: 5, 4: 7}[order], 12 if len(axes) == 1 else 8) for a in axes}
    is_complex = rng.random() < 0.25
    names = ["u", "v"][: rng.choice([1, 1, 2])]
    over = ", ".join(axes)
    extents = {a: (rng.choice(["0", "-1"]), rng.choice(["1", "3/2"])) for a in axes}
    kind = " complex" if is_complex else ""
    lines = [
        f"coordinates {', '.join(f'{a} in [{low}, {high}]' for a, (low, high) in extents.items())}",
        f"field {', '.join(f'{n}({over}){kind}' for n in names)}",
        f"learn a({over}) = 1 > 0, D = 1.3 > 0, q = 0.7",
        f"input s({over}), r",
    ]
    nonlinear = not is_complex and rng.random() < 0.4
    for k, name in enumerate(names):
        other = names[1 - k] if len(names) > 1 else name
        diffusion = rng.choice([f"D*lap({name})", f"div(a*grad({name}))", f"div((1 + x^2)*grad({name}))"])
        terms = [diffusion, f"- {rng.choice(['3', '(2 + x^2)', '(1 + r)', '(1 + a)'])}*{name}"]
        if rng.random() < 0.4:
            terms.append(f"+ {rng.choice(['0.5', 'q', 'x'])}*d{rng.choice(axes)}({name})")
        if other != name:
            terms.append(f"+ {rng.choice(['0.3', '0.2*x', '0.1*r'])}*{other}")
        if is_complex:
            terms.append(f"+ {rng.choice(['i*', '(1 + 0.5*i)*', 'i*x*'])}{name}")
        if nonlinear:
            terms.append(rng.choice([f"- {name}^3", f"- exp({name})", f"- {name}*abs2({name})"]))
        source = rng.choice(["s", "s + x", "q*cos(x)", "s*r"])
        lines.append(f"{' '.join(terms)} = {source}")
    for a in axes:
        if rng.random() < 0.35:
            lines.append(f"boundary {a}: periodic")
            continue
        along = next((b for b in axes if b != a), "1")
        for position in extents[a]:
            stated = [_condition(rng, n, along) for n in names]
            lines.append(f"boundary {a} = {position}: {', '.join(stated)}")
    lines += [f"grid {', '.join(f'{a}: {n}' for a, n in cells.items())}", f"order {order}"]
    lines += rng.choice(
        [[], [], ["solve direct"], ["solve gmres, tolerance: 1e-13"], ["solve bicgstab, tolerance: 1e-13"]]
    )
    return "\n".join(lines) + "\n"


def _condition(rng: random.Random, name: str, along: str) -> str:
    kind = rng.choice(["dirichlet", "neumann", "robin"])
    if kind == "dirichlet":
        return f"{name} = {rng.choice(['0', 'q', along, 'r'])}"
    if kind == "neumann":
        return f"dn({name}) = {rng.choice(['0', 'q', along])}"
    return f"{name} + {rng.choice(['1/2', 'D'])}*dn({name}) = {along}"
