"""npde compiles partial differential equations, written down in `.npde` files, to trainable PyTorch networks.

    model = npde.load("fisher.npde")     # or npde.parse(text)
    net = model.compile()                # a torch.nn.Module
    final = net(net.initial_state())     # [B, C, *grid]
    run = npde.fit(net, data)            # learns what the file declares with `learn`

Names are loaded when they are first used: importing npde is quick, and imports neither torch nor SymPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npde.api import Model, from_pretrained, load, parse
    from npde.diagnostics import Diagnostic, DiagnosticError, NpdeError
    from npde.train.fit import fit

__version__ = "0.1.0"

__all__ = [
    "Diagnostic",
    "DiagnosticError",
    "Model",
    "NpdeError",
    "__version__",
    "fit",
    "from_pretrained",
    "load",
    "parse",
]

_PLACES = {
    "Diagnostic": "npde.diagnostics",
    "DiagnosticError": "npde.diagnostics",
    "Model": "npde.api",
    "NpdeError": "npde.diagnostics",
    "fit": "npde.train",
    "from_pretrained": "npde.api",
    "load": "npde.api",
    "parse": "npde.api",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'npde' has no attribute '{name}'")
    value = getattr(import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
