"""Opens HDF5 files of strangers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from npde.diagnostics import Code, Diagnostic, DiagnosticError
from npde.diagnostics.catalogue import data as codes
from npde.files.atomic import reason
from npde.files.layouts import outside_links
from npde.source import NOWHERE, Source, Span


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """An HDF5 file for reading. Raises N1001 when it cannot be, N1013 when it points into other files."""
    nowhere = Source(str(path), "")
    if not Path(path).is_file():
        why = "it is a folder" if Path(path).is_dir() else "there is no such file"
        raise failure(nowhere, codes.CANNOT_OPEN, NOWHERE, path=path, reason=why)
    if not h5py.is_hdf5(path):
        raise failure(nowhere, codes.CANNOT_OPEN, NOWHERE, path=path, reason="it is not an HDF5 file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        why = reason(error) if error.strerror else "it is damaged, or still being written"
        raise failure(nowhere, codes.CANNOT_OPEN, NOWHERE, path=path, reason=why) from error
    with file:
        for name in outside_links(file):
            raise failure(nowhere, codes.OUTSIDE_LINK, NOWHERE, path=path, name=name)
        try:
            yield file
        except OSError as error:
            why = "it is damaged"
            raise failure(nowhere, codes.CANNOT_OPEN, NOWHERE, path=path, reason=why) from error


def present(file: h5py.File) -> str:
    return listed(sorted(file))


def listed(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:8])
    return (f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown) or "nothing"


def failure(source: Source, code: Code, span: Span, **data: object) -> DiagnosticError:
    diagnostic: Diagnostic = code.at(span, hint="", notes=(), **data)
    return DiagnosticError([diagnostic], source)
