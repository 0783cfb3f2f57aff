"""Watching, while values are learned, that the time step stays below its bound."""

from __future__ import annotations

from npde.diagnostics import Diagnostic
from npde.diagnostics.catalogue import training as codes
from npde.train.learnables import physical_values
from npde.train.network import Network


def current_bound(network: Network) -> tuple[float, tuple[str, ...]] | None:
    """The largest stable step at the present values of what is learned, and the names it depends on; None if there is none or
    it is not known."""
    scheme = network.scheme
    if scheme is None or scheme.bound.formula is None:
        return None
    formula = scheme.bound.formula
    values = physical_values(network.module)
    spacings = {axis.name: float(axis.spacing) for axis in scheme.grid.axes}
    known: dict[object, float] = {}
    used: list[str] = []
    for symbol in formula.free_symbols:
        name = str(symbol)
        learned = values.get(name, values.get(name + "_"))
        if learned is not None:
            known[symbol] = float(learned.abs().max())
            used.append(name)
        elif name.removeprefix("h_") in spacings:
            known[symbol] = spacings[name.removeprefix("h_")]
        else:
            return None
    value = formula.xreplace(known).evalf()
    return (float(value), tuple(sorted(used))) if value.is_number and value.is_finite else None


def too_long(network: Network, epoch: int) -> Diagnostic | None:
    """A warning if the step is longer than the scheme is stable for at the learned values (N1121)."""
    found = current_bound(network)
    if found is None or network.dt <= found[0] * (1 + 1e-9):
        return None
    bound, names = found
    listed = ", ".join(f"'{name}'" for name in names)
    _, span = network.place(names[0] if names else "")
    data = {"dt": f"{network.dt:.4g}", "bound": f"{bound:.4g}", "names": f"it depends on {listed}"}
    return codes.STEP_TOO_LONG.at(span, epoch=epoch, **data)


def bound_note(network: Network) -> str:
    """One sentence that compares the step with its bound, empty when that is not known."""
    found = current_bound(network)
    if found is None:
        scheme = network.scheme
        if scheme is None or scheme.bound.value is None:
            return ""
        return f"the time step is {network.dt:.4g}; its bound at the start values was {scheme.bound.value:.4g}."
    bound, names = found
    relation = "longer than" if network.dt > bound else "within"
    at = f" at the present {', '.join(repr(n) for n in names)}" if names else ""
    return f"the time step {network.dt:.4g} is {relation} its bound {bound:.4g}{at}."
