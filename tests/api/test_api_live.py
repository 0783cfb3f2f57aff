"""Live modules: what they have beyond the emitted class."""

from __future__ import annotations

import copy
import io
import linecache
import pickle
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import torch

import npde
from npde.diagnostics import InternalError, NpdeError
from npde.emit.live import LiveModule, execute, instantiate

DRIVEN = """model driven
coordinates x in [0, 1], t in [0, 1]
field u(x, t)
learn D = 0.01 > 0, w(x) = 1, g(x)
input s[3](t)
dt(u) = D*dxx(u) - u^3 + g*(s[0] + 2*s[1] - s[2])
boundary dn(u) = 0
initial u = 0.1
grid x: 8
march heun, steps: 6
output y(t) = integral(w*u, x)
network rnn
"""
FISHER = """model fisher
coordinates x in [0, 20], t in [0, 1]
field u(x, t)
learn D = 0.1 > 0, r = 1 in [0, 5], c(x)
dt(u) = D*lap(u) + r*u*(1 - u) + 0.01*c
boundary periodic
initial u = exp(-(x - 10)^2)
grid x: 32
march rk4, steps: 5
"""


def compiled(text: str = FISHER, **options: object) -> LiveModule:
    return npde.parse(text).compile(dtype="float64", generator=torch.Generator().manual_seed(1), **options)


def test_a_live_module_is_of_the_emitted_class_and_knows_its_source() -> None:
    net = compiled()
    assert type(net).__name__ == "Fisher"
    assert isinstance(net, LiveModule)
    assert "class Fisher(nn.Module)" in net.source
    assert net.graph.name == "fisher"
    assert dict(net.inputs) == {}
    assert dict(compiled(DRIVEN).inputs) == {"s": (None, 3)}
    names = set(net.state_dict())
    namespace = execute(net.source, "fisher")
    assert names == set(namespace.Fisher(dtype=torch.float64).state_dict())


def test_device_dtype_and_generator_are_passed_on() -> None:
    a, b = compiled(), compiled()
    assert torch.equal(a.c, b.c)
    assert a.c.dtype == torch.float64
    before = torch.get_rng_state()
    npde.parse(FISHER).compile(generator=torch.Generator())
    assert torch.equal(before, torch.get_rng_state())
    assert npde.parse(FISHER).compile(device="meta").c.device.type == "meta"


def test_the_same_source_is_executed_once() -> None:
    net = compiled()
    assert execute(net.source, "fisher") is execute(net.source, "fisher")
    other = compiled(march="steps=7")
    assert other.STEPS == 7
    assert net.STEPS == 5


def test_tracebacks_show_emitted_lines() -> None:
    net = compiled()
    with pytest.raises(ValueError, match="state") as caught:
        net(torch.zeros(1, 1, 7, dtype=torch.float64))
    text = "".join(traceback.format_exception(caught.value))
    assert "<npde fisher" in text
    assert "raise ValueError(" in text
    linecache.checkcache()
    assert any(name.startswith("<npde fisher") for name in linecache.cache)


def test_a_copy_has_tensors_of_its_own_and_shares_the_graph() -> None:
    net = compiled()
    net.c.requires_grad_(False)
    twin = copy.deepcopy(net)
    twin.D = 0.7
    assert net.D.item() == pytest.approx(0.1)
    assert twin.D.item() == pytest.approx(0.7)
    assert twin.graph is net.graph
    assert not twin.c.requires_grad
    assert isinstance(twin, type(net))


@pytest.mark.parametrize("has_origin", [True, False])
def test_a_pickle_compiles_again_and_keeps_the_state(has_origin: bool) -> None:
    net = compiled()
    if not has_origin:
        net = instantiate(net.graph, net.source, dtype=torch.float64)
    net.D = 0.3
    net.c.requires_grad_(False)
    net.eval()
    before = torch.get_rng_state()
    twin = pickle.loads(pickle.dumps(net))
    assert torch.equal(before, torch.get_rng_state())
    assert twin.source == net.source
    assert not twin.training
    assert not twin.c.requires_grad
    assert twin.raw_D.requires_grad
    assert torch.equal(twin(), net())
    stream = io.BytesIO()
    torch.save(net, stream)
    stream.seek(0)
    assert torch.equal(torch.load(stream, weights_only=False)(), net())


def test_a_pickle_is_small_and_opens_in_another_process(tmp_path: Path) -> None:
    net = compiled(grid={"x": 16})
    net.D = 0.3
    content = pickle.dumps(net)
    assert len(content) < 4000
    (tmp_path / "net.pickle").write_bytes(content)
    (tmp_path / "expected.txt").write_text(repr(net().sum().item()))
    code = "import pickle, sys; net = pickle.load(open(sys.argv[1], 'rb')); print(repr(net().sum().item()))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "net.pickle")], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == (tmp_path / "expected.txt").read_text()


def test_hooks_to_and_double_work() -> None:
    net = npde.parse(FISHER).compile(dtype=torch.float32)
    calls = []
    handle = net.register_forward_hook(lambda *_: calls.append(1))
    net()
    handle.remove()
    assert calls == [1]
    assert net.double()().dtype == torch.float64


def test_source_that_is_no_module_is_a_bug() -> None:
    net = compiled()
    with pytest.raises(InternalError, match="no torch module"):
        instantiate(net.graph, "x = 1\n")
    with pytest.raises(InternalError, match="import of 'os'"):
        instantiate(net.graph, "import os\n")
    with pytest.raises(NpdeError, match="emitted source alone"):
        instantiate(net.graph, net.source).save_pretrained("nowhere")


# --- the calling convention of torch.nn.RNN ---------------------------------------------------------------------------


def test_as_rnn_agrees_with_the_module_and_with_torchs_shapes() -> None:
    net = compiled(DRIVEN)
    rnn = net.as_rnn()
    reference = torch.nn.RNN(rnn.input_size, rnn.hidden_size, dtype=torch.float64)
    assert (rnn.input_size, rnn.hidden_size) == (3, 8)
    sequence = torch.randn(6, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    output, last = rnn(sequence)
    _, expected_last = reference(sequence)
    assert last.shape == expected_last.shape
    assert output.shape == (6, 2, 1)
    batch_first = sequence.transpose(0, 1)
    assert torch.allclose(output[..., 0].T, net(batch_first), atol=1e-14)
    assert torch.allclose(last[0], net.march(batch_first).flatten(1), atol=1e-14)


def test_as_rnn_batch_first_unbatched_and_split_sequences() -> None:
    net = compiled(DRIVEN)
    sequence = torch.randn(6, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    output, last = net.as_rnn()(sequence)
    first, first_last = net.as_rnn(batch_first=True)(sequence.transpose(0, 1))
    assert torch.equal(first.transpose(0, 1), output)
    assert torch.equal(first_last, last)
    alone, alone_last = net.as_rnn()(sequence[:, 1])
    assert alone.shape == (6, 1)
    assert alone_last.shape == (1, 8)
    assert torch.allclose(alone, output[:, 1], atol=1e-14)
    head, middle = net.as_rnn()(sequence[:4])
    tail, end = net.as_rnn()(sequence[4:], middle)
    assert torch.allclose(torch.cat([head, tail]), output, atol=1e-14)
    assert torch.allclose(end, last, atol=1e-14)


def test_as_rnn_shares_parameters_and_passes_gradients() -> None:
    net = compiled(DRIVEN)
    rnn = net.as_rnn()
    output, _ = rnn(torch.ones(6, 2, 3, dtype=torch.float64))
    output.sum().backward()
    assert net.raw_D.grad is not None
    assert float(net.w.grad.abs().max()) > 0
    assert "3, 8" in repr(rnn)


def test_as_rnn_refuses_what_does_not_fit() -> None:
    rnn = compiled(DRIVEN).as_rnn()
    with pytest.raises(ValueError, match="Expected input"):
        rnn(torch.zeros(6, 2, 4, dtype=torch.float64))
    with pytest.raises(ValueError, match="Expected h_0 of shape"):
        rnn(torch.zeros(6, 2, 3, dtype=torch.float64), torch.zeros(1, 3, 8, dtype=torch.float64))
    with pytest.raises(NpdeError, match='network="rnn"'):
        compiled().as_rnn()


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"steps": -1}, "steps and start must not be negative, got -1 and 0"),
        ({"start": -1}, "steps and start must not be negative, got 6 and -1"),
        ({"start": 9}, "steps and start must not be negative, got -4 and 9"),
        ({"every": 0}, "every must be at least 1, got 0"),
    ],
)
def test_steps_that_cannot_be_are_refused(counts: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compiled()(**counts)


@pytest.mark.parametrize("name", ["D", "c"])
@pytest.mark.parametrize("value", [torch.ones(2), "much"])
def test_values_of_the_wrong_shape_are_refused_by_name(name: str, value: object) -> None:
    net = compiled()
    shape = "[32]" if name == "c" else "[]"
    with pytest.raises(ValueError, match=re.escape(f"'{name}' takes numbers of shape {shape}")):
        setattr(net, name, value)
    net.c = 0.5
    assert net.c.tolist() == [0.5] * 32


def test_a_state_of_another_batch_than_the_inputs_is_refused() -> None:
    net = compiled(DRIVEN)
    signal = torch.zeros(3, 6, 3, dtype=torch.float64)
    with pytest.raises(ValueError, match="the state has a batch of 2, the inputs have 3"):
        net(signal, net.initial_state(2))
    assert net(signal, net.initial_state(1)).shape == (3, 6)


def test_pack_takes_real_values_for_complex_fields_and_not_the_other_way_round() -> None:
    text = FISHER.replace("u(x, t)", "u(x, t), psi(x, t) complex") + "i*dt(psi) = -dxx(psi)\ninitial psi = 0\n"
    net = compiled(text)
    ones = torch.ones(2, 32, dtype=torch.float64)
    assert net.pack(u=ones, psi=2 * ones)[0, :, 0].tolist() == [1, 2, 0]
    with pytest.raises(TypeError, match="field 'u' is real"):
        net.pack(u=ones * 1j, psi=ones)
