"""How a later stage refuses a statement: raised deep inside, caught where diagnostics are gathered."""

from __future__ import annotations

from npde.diagnostics import Diagnostic


class Refused(Exception):
    """What a statement asks for is not possible; carries the diagnostic."""

    def __init__(self, diagnostic: Diagnostic):
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic
