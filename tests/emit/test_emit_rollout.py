"""Marches beyond the emitted loop: one step compiled, activations made again. Work is counted, not timed."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import npde
from npde.settings import OptionError

TEXTS = {
    "fisher": """model fisher
coordinates x in [0, 1], t in [0, 0.012]
field u(x, t)
learn D = 0.1 > 0
learn r = 1
dt(u) = D*dxx(u) + r*u*(1 - u)
boundary periodic
initial u = exp(-9*(x - 0.5)^2)
grid x: 16
march {march}
""",
    "driven": """model driven
coordinates x in [0, 1], t in [0, 0.012]
field u(x, t)
learn a(x) = 0.1
learn s(t) = 1
dt(u) = a*dxx(u) + s*exp(-t)
boundary periodic
initial u = sin(2*pi*x)
grid x: 16
march {march}
output total(t) = sum(u, x)
""",
}


def compiled(name: str, march: str = "rk4, steps: 12", **options: object) -> npde.api.LiveModule:
    return npde.parse(TEXTS[name].format(march=march)).compile(dtype=torch.float64, **options)


def gradients(net: torch.nn.Module, **options: object) -> list[torch.Tensor]:
    result = net(**options)
    result = next(iter(result.values())) if isinstance(result, dict) else result
    return [result.detach(), *torch.autograd.grad(result.square().sum(), list(net.parameters()))]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("march", ["rk4, steps: 12", "ab2, steps: 12"])
@pytest.mark.parametrize("checkpoint", [1, 5, 12, 100])
def test_what_is_made_again_changes_nothing(name: str, march: str, checkpoint: int) -> None:
    for plain, again in zip(gradients(compiled(name, march)), gradients(compiled(name, march, checkpoint=checkpoint))):
        assert torch.equal(plain, again)


def test_frames_are_kept_across_segments() -> None:
    plain, again = compiled("fisher"), compiled("fisher", checkpoint=5)
    assert torch.equal(plain.march(every=3), again.march(every=3))
    with torch.no_grad():
        assert torch.equal(plain.march(every=3), again.march(every=3))


class Kept:
    """Bytes that autograd saves for the way back, each storage once."""

    def __init__(self) -> None:
        self.storages: dict[int, tuple[torch.Tensor, int]] = {}

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        self.storages[storage.data_ptr()] = (tensor, storage.nbytes())
        return tensor

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.storages.values())


def kept(net: torch.nn.Module) -> int:
    """Of a whole march."""
    found = Kept()
    with torch.autograd.graph.saved_tensors_hooks(found.pack, lambda tensor: tensor):
        result = net()
    assert result.requires_grad
    return found.bytes


def test_a_checkpointed_march_keeps_a_fraction() -> None:
    """Forty steps of rk4: all activations against one state every eight steps."""
    plain = kept(compiled("fisher", "rk4, steps: 40"))
    again = kept(compiled("fisher", "rk4, steps: 40", checkpoint=8))
    assert again < plain / 10


class Counted(TorchDispatchMode):
    """Operators that make a tensor; views are free."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += not any(r.alias_info for r in function._schema.returns)
        return function(*args, **(kwargs or {}))


def operators(net: torch.nn.Module, steps: int) -> int:
    with torch.no_grad(), Counted() as mode:
        net(steps=steps)
    return mode.count


def test_parameters_are_worked_on_once_a_march() -> None:
    """What a step costs does not hold the softplus of D, nor anything else that states do not enter."""
    net = compiled("fisher", "euler, steps: 12")
    one, two, many = (operators(net, n) for n in (1, 2, 12))
    assert many - one == 11 * (two - one)
    assert two - one <= 14, "pad, three taps, their sums, and the reaction"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of torch's own compiler
def test_one_step_is_compiled_and_looped_over() -> None:
    """The graph that is compiled does not grow with the march."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    net = compiled("fisher", compile=True)
    with torch.no_grad():
        assert torch.allclose(net(), compiled("fisher")(), rtol=1e-12, atol=0)
        net(steps=30)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    for plain, again in zip(gradients(compiled("driven")), gradients(compiled("driven", compile=True, checkpoint=4))):
        assert torch.allclose(plain, again, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("march, graphs", [("rk4, steps: 12", 2), ("ab3, steps: 12", 5)])
def test_lengths_starts_and_batches_compile_nothing_again(
    march: str, graphs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One graph for a batch of one and one for all others; a multistep scheme has those of its first steps besides."""
    whole = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: whole(function, backend="eager", **options))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    net, plain = compiled("fisher", march, compile=True), compiled("fisher", march)
    with torch.no_grad():
        for batch in (1, 2, 3, 7):
            state = net.initial_state(batch)
            for how in ({"steps": 12}, {"steps": 3}, {"steps": 5, "start": 2}, {"steps": 8, "every": 2}):
                assert torch.equal(net.march(state, **how), plain.march(state, **how))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs


def test_a_step_that_iterates_runs_as_emitted() -> None:
    net = compiled("fisher", "backward_euler, steps: 3", compile=True)
    with pytest.warns(UserWarning, match="steps run as emitted"), torch.no_grad():
        found = net()
    assert torch.equal(found, compiled("fisher", "backward_euler, steps: 3")().detach())


@pytest.mark.parametrize("option", [{"compile": True}, {"checkpoint": 2}])
def test_steps_that_choose_their_size_are_neither_compiled_nor_made_again(option: dict[str, object]) -> None:
    with pytest.raises(npde.NpdeError, match=f"'{next(iter(option))}' needs steps of one size"):
        compiled("fisher", "dopri5, steps: 4", **option)


def test_without_a_compiler_steps_run_as_emitted_and_it_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor.exc import InvalidCxxCompiler

    def broken(function, **_):
        def call(*_):
            raise InvalidCxxCompiler

        return call

    monkeypatch.setattr(torch, "compile", broken)
    net = compiled("fisher", compile=True)
    with pytest.warns(UserWarning, match="steps run as emitted"), torch.no_grad():
        found = net()
    assert torch.equal(found, compiled("fisher")().detach())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net()


def test_copies_and_pickles_march_the_same_way() -> None:
    net = compiled("fisher", compile=True, checkpoint=4)
    net._rollout.advance = net._advance
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert twin._rollout.plain == (True, 4, None)
        assert twin._rollout.advance is None, "it would march with the parameters of the original"


def test_torch_compile_of_the_whole_module_sees_the_emitted_loop() -> None:
    net = compiled("fisher", checkpoint=4)
    whole = torch.compile(net, fullgraph=True, backend="eager")
    with torch.no_grad():
        assert torch.equal(whole(steps=3), net(steps=3))


@pytest.mark.parametrize("wrong", [0, -1, True, 2.5, "10"])
def test_a_checkpoint_is_a_number_of_steps(wrong: object) -> None:
    with pytest.raises(OptionError, match="'checkpoint' is a number of steps"):
        compiled("fisher", checkpoint=wrong)


def test_the_command_line_compiles_a_step(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from npde.cli import app

    calls = []
    monkeypatch.setattr(torch, "compile", lambda function, **options: calls.append(options) or function)
    (tmp_path / "fisher.npde").write_text(TEXTS["fisher"].format(march="rk4, steps: 12"))
    result = CliRunner().invoke(app, ["run", str(tmp_path / "fisher.npde"), "--compile", "-o", str(tmp_path / "u.h5")])
    assert result.exit_code == 0, result.output
    assert calls == [{"fullgraph": True}]
