"""From text to the syntax tree and back: `parse(source)`, `format(tree)`."""

from npde.syntax.parser import parse

__all__ = ["parse"]
