"""What a live module was compiled from: enough to compile it again, in another process or another year."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from npde import settings
from npde.options import CompileOptions, Overrides
from npde.source import Source

if TYPE_CHECKING:
    from npde.driver import Compilation
    from npde.emit.live import LiveModule


@dataclass(frozen=True)
class Recipe:
    """A text with everything said beside it. It is pickled and saved as plain values."""

    source: Source
    overrides: Overrides = field(default_factory=Overrides)
    options: CompileOptions = field(default_factory=CompileOptions)

    @cached_property
    def compilation(self) -> Compilation:
        """The stages of the compiler, run when asked for."""
        from npde.driver import Compilation

        return Compilation(self.source, self.overrides, self.options)

    def rebuild(self, *, backend: str = "auto", **factory: Any) -> LiveModule:
        """A live module with start values; `device`, `dtype`, `generator` as `torch.nn.Module`s take them; `compiled`,
        `checkpoint` and `memory` say how it marches.

        `backend` is what marches: "torch", "native", or "auto".

        Raises:
            DiagnosticError: the text has errors, or the model does not fit into memory.
        """
        from npde.analysis.admission import admit_module
        from npde.emit.live import instantiate
        from npde.view.drawn import drawn

        compilation = self.compilation
        admit_module(compilation.graph, factory.get("dtype"), factory.get("device"))
        chosen = None
        if backend != "torch":
            from npde.native.choose import choose

            chosen = choose(compilation.graph, backend, **{k: factory.get(k) for k in ("device", "dtype")})
        return instantiate(drawn(compilation.graph), compilation.source, origin=self, backend=chosen, **factory)

    def save(self, module: LiveModule, directory: Path) -> None:
        """Writes the folder of `save_pretrained`."""
        from npde.files.pretrained import save

        save(module, self, directory)

    def admit(self, module: LiveModule, batch: int, steps: int, every: int | None, *, grad: bool) -> None:
        """Nothing, where a march of the module fits into memory.

        Raises:
            DiagnosticError: N1021, before anything is allocated.
        """
        from npde.analysis.admission import admit_march

        admit_march(module, self._numbers_kept, batch, steps, every, grad=grad)

    def lengths(self, module: LiveModule, batch: int, steps: int, every: int | None, memory: int) -> tuple[int, ...]:
        """Lengths of nested segments with which a march and its gradient add at most `memory` bytes.

        Raises:
            DiagnosticError: N1022, where none do.
        """
        from npde.analysis.budget import lengths

        return lengths(module, batch, steps, every, memory)

    @cached_property
    def _numbers_kept(self) -> int:
        from npde.analysis.admission import numbers_kept

        return numbers_kept(self.compilation.graph)

    def plain(self) -> dict[str, Any]:
        """Overrides and options as JSON can hold them."""
        return {"overrides": settings.plain(self.overrides), "options": asdict(self.options)}

    def __reduce__(self) -> tuple[Any, ...]:
        return from_plain, (self.source.name, self.source.text, self.plain())


def from_plain(name: str, text: str, values: dict[str, Any]) -> Recipe:
    """The recipe of a text and of what `Recipe.plain` gave.

    Raises:
        OptionError: the values are not such.
    """
    try:
        overrides = settings.overrides(**values["overrides"])
        options = settings.compile_options(**values["options"])
    except (KeyError, TypeError, AttributeError) as error:
        raise settings.OptionError(f"The options of a saved model are damaged: {error}.") from error
    return Recipe(Source(name, text), overrides, options)
