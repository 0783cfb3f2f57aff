"""How much room text takes. Widths are those of DejaVu Sans, wider than most fonts that a page may use instead."""

from __future__ import annotations

from npde.view.diagram import Box

TITLE = 13.0
FORMULA = 12.0
NOTE = 11.0
LINE = 1.4
MONO = 0.602
"""Advance of a monospaced letter, in em."""

PADDING_X = 16.0
PADDING_Y = 10.0

_WIDTHS = (
    "318 401 460 838 636 950 780 275 390 390 500 838 318 361 318 337 636 636 636 636 636 636 636 636 636 636 337 337 838 838 "
    "838 531 1000 684 686 698 770 632 575 775 752 295 295 656 557 863 748 787 603 787 695 635 611 732 684 989 685 611 685 390 "
    "337 390 838 500 500 613 635 550 635 615 352 635 634 278 278 579 278 974 634 612 635 635 411 521 392 634 592 818 592 592 "
    "525 636 337 636 838"
)
_ADVANCE = {chr(32 + i): int(width) / 1000 for i, width in enumerate(_WIDTHS.split())}


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Width of proportional text."""
    return sum(_ADVANCE.get(letter, 0.8) for letter in text) * size * (1.1 if bold else 1.0)


def mono_width(text: str, size: float) -> float:
    """Width of monospaced text."""
    return len(text) * MONO * size


def box_size(box: Box) -> tuple[float, float]:
    """Width and height of a box that is not a frame (of a frame: of its title alone)."""
    widths = [text_width(box.title, TITLE, bold=True)]
    widths += [mono_width(line, FORMULA) for line in box.formula]
    widths += [text_width(line, NOTE) for line in notes(box)]
    height = LINE * (TITLE + FORMULA * len(box.formula) + NOTE * len(notes(box)))
    if box.family == "port":
        widths.append(text_width(f"{box.title}  {box.shape}", TITLE))
        return max(widths) + 2 * PADDING_X, LINE * TITLE + PADDING_Y
    if box.inner is not None:
        return text_width(f"{box.title} × {box.trips:,}", TITLE, bold=True) + 2 * PADDING_X, LINE * TITLE + PADDING_Y
    return max(*widths, 70.0) + 2 * PADDING_X, height + 2 * PADDING_Y


def notes(box: Box) -> tuple[str, ...]:
    """The small lines of a box: what it says of itself, and what it learns."""
    return (*box.notes, *learned(box))


def learned(box: Box) -> tuple[str, ...]:
    """What a box trains, in words; what another box was said to learn is only used here."""
    own = [entry for entry in box.learned if ":" in entry]
    other = [entry for entry in box.learned if ":" not in entry]
    words = ([f"learns {', '.join(own)}"] if own else []) + ([f"uses {', '.join(other)}"] if other else [])
    return ("; ".join(words),) if words else ()
