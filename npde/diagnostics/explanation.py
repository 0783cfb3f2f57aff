"""The text of `npde explain CODE`."""

from __future__ import annotations

import re
import textwrap

from npde.diagnostics.catalogue import catalogue
from npde.diagnostics.record import NpdeError


def explain(code: str, *, width: int = 80) -> str:
    """What a diagnostic means, why it is one, what to do, and a short file that gives it.

    Args:
        code: such as "N0203"; small letters will do.
        width: columns to wrap the explanation to.

    Raises:
        NpdeError: there is no such code.
    """
    codes = catalogue()
    wanted = code.strip().upper()
    if wanted not in codes:
        from difflib import get_close_matches

        near = get_close_matches(wanted, codes, n=1)
        raise NpdeError(f"There is no diagnostic '{code}'." + (f" The nearest is '{near[0]}'." if near else ""))
    entry = codes[wanted]
    blank = re.sub(r"\{\w*\}", "…", entry.message)
    parts = [textwrap.fill(f"{entry.severity}[{entry.id}]: {blank}", width)]
    parts.extend(textwrap.fill(paragraph, width) for paragraph in entry.explanation.split("\n\n") if paragraph)
    if entry.example:
        parts.append("For example:\n\n" + textwrap.indent(entry.example.rstrip("\n"), "    "))
    return "\n\n".join(parts) + "\n"
