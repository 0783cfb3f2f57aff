"""Files: HDF5 output and data, atomic writes, folders with saved models.

    read(path, problem) -> Data          training data, inputs; npde's own layout, PDEBench, The Well
    TrajectoryWriter(path, problem, …)   what `npde run` writes, frame by frame
    replacing(path), replacing_folder    a file or folder appears complete or not at all

`npde.files.pretrained` (saved models) is imported where it is used: it needs torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npde.files.atomic import replacing, replacing_folder, write_bytes, write_text
    from npde.files.data import LABELS, Data, read, read_array
    from npde.files.layouts import LAYOUTS, Layout

__all__ = [
    "LABELS",
    "LAYOUTS",
    "Data",
    "Layout",
    "read",
    "read_array",
    "replacing",
    "replacing_folder",
    "write_bytes",
    "write_text",
]

_ATOMIC = ("replacing", "replacing_folder", "write_bytes", "write_text")


def __getattr__(name: str) -> Any:
    """HDF5 and NumPy take a tenth of a second, which writing a text should not pay."""
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    module = "atomic" if name in _ATOMIC else "layouts" if name in ("LAYOUTS", "Layout") else "data"
    return getattr(import_module(f"{__name__}.{module}"), name)
