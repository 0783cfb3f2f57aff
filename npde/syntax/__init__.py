"""From text to the syntax tree and back: `decode(bytes, name)`, `parse(source)`, `format(tree)`."""

from npde.syntax.encoding import decode
from npde.syntax.formatter import format
from npde.syntax.parser import parse
from npde.syntax.tree import SyntaxTree

__all__ = ["SyntaxTree", "decode", "format", "parse"]
