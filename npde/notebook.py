"""A model in a notebook: its equations typeset, what is unknown and what is learned, and its diagnostics."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from npde.diagnostics import render

if TYPE_CHECKING:
    from npde.api import Model


def page(model: Model) -> str:
    """HTML for `_repr_html_`; a model with errors shows them instead of its equations."""
    source = model.source
    found = model.check()
    shown = "\n\n".join(render(d, source) for d in found)
    notes = f"<pre>{escape(shown)}</pre>" if shown else ""
    if any(d.severity == "error" for d in found):
        return f"<div><b>{escape(source.name)}</b>{notes}</div>"
    return f"<div>{_title(model)}{_equations(model)}{_names(model)}{notes}</div>"


def _title(model: Model) -> str:
    doc = model.problem.doc
    return f"<b>{escape(model.name)}</b>" + (f" <i>{escape(doc)}</i>" if doc else "")


def _equations(model: Model) -> str:
    import sympy as sp

    return "".join(f"<div>$\\displaystyle {escape(sp.latex(equation))}$</div>" for equation in model.equations)


def _names(model: Model) -> str:
    rows = (("unknown", model.fields), ("learned", model.learnables), ("input", model.inputs))
    cells = "".join(
        f"<tr><td>{title}</td><td>{', '.join(f'<code>{escape(name)}</code>' for name in names)}</td></tr>"
        for title, names in rows
        if names
    )
    return f"<table>{cells}</table>"
