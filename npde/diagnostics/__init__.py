"""Diagnostics: the record, the catalogue of codes, and how one is rendered as text."""

from npde.diagnostics.record import (
    MAXIMUM,
    Code,
    Collector,
    Diagnostic,
    DiagnosticError,
    InternalError,
    NpdeError,
)

__all__ = ["MAXIMUM", "Code", "Collector", "Diagnostic", "DiagnosticError", "InternalError", "NpdeError"]
