"""npde in Python: a `Model` is a text and what can be asked of it; `compile` makes a live module.

model = npde.load("fisher.npde")
model.equations, model.D, model.check()
net = model.compile(network="cnn", dtype=torch.float64, grid={"x": 256})
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

from npde import settings
from npde.diagnostics import Diagnostic, DiagnosticError
from npde.recipe import Recipe
from npde.source import Source

if TYPE_CHECKING:
    import sympy as sp
    import torch

    from npde.analysis import Analysis
    from npde.driver import Compilation
    from npde.emit.live import LiveModule
    from npde.model.problem import Field, Input, Learned, Problem

Stage = Literal["syntax", "problem", "system", "scheme", "graph", "source", "kernels"]
STAGES: tuple[Stage, ...] = get_args(Stage)


def load(path: str | os.PathLike[str]) -> Model:
    """The model in a `.npde` file.

    Mistakes in the text are reported when they matter: by `check`, or as `DiagnosticError` by whatever needs a correct model.

    Raises:
        DiagnosticError: the file cannot be read, is too large, or is not UTF-8.
    """
    from npde.files.text import read_source

    return Model(read_source(path))


def parse(text: str) -> Model:
    """The model in a text."""
    return Model(Source("<text>", text))


def from_pretrained(
    directory: str | os.PathLike[str],
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | str | None = None,
) -> LiveModule:
    """The module that `net.save_pretrained(directory)` saved: its `.npde` compiled again, with the saved weights.

    Nothing in the folder is executed or unpickled. `dtype` defaults to the type it was saved in.

    Raises:
        DiagnosticError: the folder is none of that kind, or a file in it was changed.
    """
    from npde.files.pretrained import load as load_folder

    return load_folder(directory, device=device_of(device), dtype=_dtype(dtype))


class Model:
    """A `.npde` text and what can be asked of it. Stages of the compiler run when they are needed, once.

    The names of the model are attributes: `model.D` is the SymPy symbol of the learnable D as it stands in `model.equations`.
    """

    def __init__(self, source: Source):
        self._source = source
        self._base = Recipe(source)

    # --- what it says -------------------------------------------------------------------------------------------------

    @property
    def source(self) -> Source:
        """The text with its name, which spans of diagnostics point into."""
        return self._source

    @property
    def problem(self) -> Problem:
        """The checked problem: every name resolved, every rank known. Raises DiagnosticError."""
        return self._base.compilation.problem

    @property
    def text(self) -> str:
        """The text."""
        return self._source.text

    @property
    def name(self) -> str:
        """The name that the text gives the model."""
        return self.problem.name

    @cached_property
    def equations(self) -> tuple[sp.Eq, ...]:
        """The equations as written, as SymPy `Eq`s of functions of the coordinates."""
        from npde import textbook

        return textbook.equations(self.problem)

    @property
    def fields(self) -> Mapping[str, Field]:
        """The unknowns by name."""
        return MappingProxyType({f.name: f for f in self.problem.fields})

    @property
    def learnables(self) -> Mapping[str, Learned]:
        """What is learned, by name."""
        return MappingProxyType({x.name: x for x in self.problem.learned})

    @property
    def inputs(self) -> Mapping[str, Input]:
        """What is supplied at run time, by name."""
        return MappingProxyType({x.name: x for x in self.problem.inputs})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        from npde.textbook import Textbook

        try:
            return Textbook(self.problem).named(name)
        except KeyError:
            raise AttributeError(
                f"'{self.problem.name}' has no field, learnable, input or constant '{name}'."
            ) from None

    def __dir__(self) -> list[str]:
        names: list[str] = []
        if not self.check():
            problem = self.problem
            declared = (*problem.coordinates, *problem.fields, *problem.lets, *problem.learned, *problem.inputs)
            names = [d.name for d in declared]
        return sorted({*super().__dir__(), *names})

    # --- what can be done with it -------------------------------------------------------------------------------------

    def check(self, **overrides: Any) -> list[Diagnostic]:
        """Every diagnostic, errors and warnings, as far as the compiler gets; an empty list is a clean bill.

        Takes the overrides of `compile` (`network free grid order march set extent`). Mistakes in the text raise nothing.
        """
        return check(self._compilation(**overrides))

    def show(self, stage: Stage, **overrides: Any) -> str:
        """A stage of the compiler as text: "syntax", "problem", "system", "scheme", "graph", "source" or "kernels".

        Raises:
            DiagnosticError: the text has errors.
            OptionError: there is no such stage.
        """
        return show(self._compilation(**overrides), stage)

    def analyze(self, **overrides: Any) -> Analysis:
        """Order, stability bound and cost, before anything is allocated. Takes the overrides of `compile`.

        Raises:
            DiagnosticError: the text has errors.
        """
        from npde.analysis import analyze

        compilation = self._compilation(**overrides)
        return analyze(compilation.scheme, compilation.graph)

    def compile(
        self,
        network: Literal["cnn", "mlp", "rnn"] | None = None,
        free: Literal["none", "kernels", "layers"] = "none",
        *,
        dtype: torch.dtype | str | None = None,
        device: torch.device | str | None = None,
        grid: Mapping[str, int] | None = None,
        order: int | None = None,
        march: str | Mapping[str, Any] | None = None,
        set: Mapping[str, float] | None = None,
        extent: Mapping[str, tuple[float, float]] | None = None,
        generator: torch.Generator | None = None,
        backend: Literal["auto", "torch", "native"] = "auto",
        compile: bool = False,
        checkpoint: int | None = None,
        memory: int | str | None = None,
    ) -> LiveModule:
        """The network of the model, a `torch.nn.Module`.

        Args:
            network: how the operators are realised as layers; left out, it follows from the equation.
            free: what trains beside the learnables: nothing, each operator's kernel, or a kernel a layer.
            dtype, device: of parameters and buffers; torch's defaults when left out.
            grid: cells an axis, `{"x": 256}`.
            order: order of accuracy in space.
            march: time scheme, `"rk4,steps=100"`, `"dt=0.05"`, or a mapping with scheme, steps, dt, along.
            set: values of `let` constants and starts of learnables, `{"D": 0.2}`.
            extent: lower and upper end of coordinates, `{"t": (0, 20)}`.
            generator: draws random start values; torch's own when left out.
            backend: what marches: "torch", the emitted loop; "native", compiled kernels; "auto", kernels for long marches
                on the CPU where there is a compiler; `net.backend` and `net.backend_reason` tell.
            compile: give one step to `torch.compile` and loop over it; ready after seconds, then faster on large grids.
            checkpoint: k: in training, keep the state of every k-th step alone and make what lies between again. √steps needs
                the least memory; about a third more time.
            memory: bytes, or a size such as "200 MB", that a march and its gradient may add to what the process holds: as much
                is kept as fits, the rest is made again.

        Raises:
            DiagnosticError: the text has errors, or an override does not fit it. A march raises N1022 where `memory` is too small.
            OptionError: an argument cannot be understood.
        """
        if backend not in ("auto", "torch", "native"):
            raise settings.OptionError(f"'backend' is 'auto', 'torch' or 'native', not {backend!r}.")
        budget = settings.memory(memory)
        settings.check_checkpoint(checkpoint, budget)
        recipe = self._recipe(
            network=network, free=free, grid=grid, order=order, march=march, set=set, extent=extent
        )  # fmt: skip
        return recipe.rebuild(device=device_of(device), dtype=_dtype(dtype), generator=generator, backend=backend,
                              compiled=compile, checkpoint=checkpoint, memory=budget)  # fmt: skip

    def _recipe(self, network: str | None = None, free: str = "none", **overrides: Any) -> Recipe:
        values = settings.overrides(**overrides)
        return Recipe(self._source, values, settings.compile_options(network, free))

    def _compilation(self, **overrides: Any) -> Compilation:
        if not overrides:
            return self._base.compilation
        return self._recipe(**overrides).compilation

    # --- how it looks -------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        found = self.check()
        errors = sum(d.severity == "error" for d in found)
        if errors:
            return f"<npde.Model {self._source.name}: {errors} error{'s' if errors > 1 else ''}, see .check()>"
        return f"<npde.Model {self.name}: {'; '.join(map(_plain_equation, self.equations))}>"

    def _repr_html_(self) -> str:
        from npde.notebook import page

        return page(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Model, (self._source,)


def check(compilation: Compilation) -> list[Diagnostic]:
    """The diagnostics of all stages up to the first that fails, in the order of the text."""
    from npde import model

    found: list[Diagnostic] = []
    try:
        problem, reported = model.check(compilation.tree, compilation.overrides)
        found.extend(reported)
        if problem is not None:
            found.extend(compilation.scheme.warnings)
            _ = compilation.graph
    except DiagnosticError as error:
        found.extend(error.diagnostics)
    return sorted(dict.fromkeys(found), key=lambda d: (d.span, d.code))


def show(compilation: Compilation, stage: str) -> str:
    """A stage of a compilation as text."""
    match stage:
        case "syntax":
            from npde import dump

            return dump.text(compilation.tree)
        case "problem":
            from npde import model

            return model.describe(compilation.problem)
        case "system":
            from npde.analysis.text import system_text

            return system_text(compilation.system)
        case "scheme":
            from npde.analysis.text import scheme_text

            return scheme_text(compilation.scheme)
        case "graph":
            from npde import view

            return str(view.render(compilation.graph, "txt"))
        case "source":
            return compilation.source
        case "kernels":
            from npde.native.kernels import describe

            return describe(compilation.graph)
        case _:
            raise settings.OptionError(f"'stage' is one of {', '.join(STAGES)}, not '{stage}'.")


def show_json(compilation: Compilation, stage: Stage) -> str:
    """A stage of a compilation as JSON."""
    import json

    from npde import dump

    match stage:
        case "graph":
            from npde import view

            return str(view.render(compilation.graph, "json"))
        case "kernels":
            return json.dumps({"kernels": show(compilation, stage)}, indent=2, ensure_ascii=False) + "\n"
        case "source":
            return json.dumps({"class": compilation.graph.class_name, "source": compilation.source}, indent=2) + "\n"
        case _:
            records = {"syntax": "tree"}
            record = getattr(compilation, records.get(stage, stage))
            return json.dumps(dump.data(record), indent=2, ensure_ascii=False) + "\n"


def _plain_equation(equation: sp.Eq) -> str:
    return f"{equation.lhs} = {equation.rhs}"


def _dtype(dtype: torch.dtype | str | None) -> torch.dtype | None:
    """A type of real numbers, also by its name."""
    import torch

    if isinstance(dtype, str):
        dtype = getattr(torch, dtype.removeprefix("torch."), None) or dtype
    if dtype is None or (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        return dtype
    raise settings.OptionError(f"'dtype' is a type of real numbers such as torch.float32, not {dtype}.")


def device_of(device: torch.device | str | None) -> torch.device | None:
    """A device that is there."""
    import torch

    if device is None:
        return None
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise settings.OptionError(
            f"The device '{device}' cannot be used here: {str(error).splitlines()[0]}"
        ) from error
    return found
