"""Lines of Python, laid out as a formatter would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

WIDTH = 120
"""Longest emitted line."""


IN_PLACE = (".add_(", ".sub_(", ".mul_(", ".div_(")
"""Calls that a chain is cut before."""


@dataclass
class Writer:
    """Collects lines at the current indentation."""

    lines: list[str] = field(default_factory=list)
    level: int = 0

    def line(self, text: str = "") -> None:
        """One line; empty ones carry no blanks."""
        self.lines.append(("    " * self.level + text) if text else "")

    def block(self, text: str) -> None:
        """Several lines that were laid out elsewhere, at the current indentation."""
        for line in text.strip("\n").split("\n"):
            self.line(line.rstrip())

    def assign(self, target: str, value: str, comment: str = "") -> None:
        """`target = value  # comment`, broken at its sums if it is too long; the comment on a line above then."""
        note = f"  # {comment}" if comment else ""
        text = f"{target} = {value}"
        room = WIDTH - 4 * self.level
        if len(text) + len(note) <= room:
            self.line(text + note)
            return
        if comment:
            self.line(f"# {comment}")
        if len(text) <= room:
            self.line(text)
            return
        if is_call(value):
            for part in broken(text, room):
                self.line(part)
            return
        end = _closing(value, 0) if value.startswith("(") else -1
        inside, after = (value[1:end], value[end + 1 :]) if end > 0 and _is_tail(value[end + 1 :]) else (value, "")
        self.line(f"{target} = (")
        self.level += 1
        for part in broken(inside, room - 4):
            self.line(part)
        self.level -= 1
        self.line(f"){after}")

    def definition(self, name: str, arguments: list[str], returns: str) -> None:
        """`def name(arguments) -> returns:`, an argument a line if it is too long."""
        text = f"def {name}({', '.join(arguments)}) -> {returns}:"
        if len(text) <= WIDTH - 4 * self.level:
            self.line(text)
            return
        together = f"    {', '.join(arguments)}"
        self.line(f"def {name}(")
        for line in [together] if len(together) <= WIDTH - 4 * self.level else [f"    {a}," for a in arguments]:
            self.line(line)
        self.line(f") -> {returns}:")

    @contextmanager
    def indented(self) -> Iterator[None]:
        """Everything inside one level deeper."""
        self.level += 1
        yield
        self.level -= 1

    def text(self) -> str:
        return "\n".join(self.lines).rstrip("\n") + "\n"


def _is_tail(text: str) -> bool:
    """Whether what follows a bracket is one more factor: ` / DX**2`."""
    return len(text) < 40 and len(_cut(text[3:], (" + ", " - ", " * ", " / "))) == 1 if text else True


def is_call(value: str) -> bool:
    """Whether a text is one call, from its name to the bracket that ends it."""
    opening = value.find("(")
    name = value[:opening].replace(".", "").replace("_", "")
    return opening > 0 and name.isalnum() and _closing(value, opening) == len(value) - 1


def broken(value: str, room: int) -> list[str]:
    """An expression cut into lines: before its outermost sums, else products, else calls in place, else inside its bracket."""
    if len(value) <= room:
        return [value]
    for operators in ((" + ", " - "), (" * ", " / "), IN_PLACE):
        pieces = [value] if " = " in value.split("(")[0] else _cut(value, operators)
        if len(pieces) > 1:
            return [line for piece in pieces for line in broken(piece, room)]
    opening = min((i for i, c in enumerate(value) if c in "([{"), default=-1)
    closing = _closing(value, opening)
    if opening < 0 or closing <= opening + 1:
        return [value]
    inside = _cut(value[opening + 1 : closing], (", ",))
    inner: list[str] = []
    for piece in inside:
        inner.extend(broken(piece, room - 5))
        inner[-1] += "," if len(inside) > 1 else ""
    return [value[: opening + 1], *("    " + line for line in inner), value[closing:]]


def _closing(value: str, opening: int) -> int:
    """Where the bracket that opens at `opening` closes."""
    depth = 0
    for i in range(max(opening, 0), len(value)):
        depth += (value[i] in "([{") - (value[i] in ")]}")
        if depth == 0:
            return i
    return -1


def _cut(value: str, operators: tuple[str, ...]) -> list[str]:
    depth, start, pieces = 0, 0, []
    for i, char in enumerate(value):
        depth += char in "([{"
        depth -= char in ")]}"
        if depth == 0 and i > start and value.startswith(operators, i):
            pieces.append(value[start:i])
            start = i + {" ": 1, ",": 2}.get(char, 0)
    pieces.append(value[start:])
    return pieces
