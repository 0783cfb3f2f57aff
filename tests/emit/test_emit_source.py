"""Emitted text: goldens that run without npde, the same bytes for every hash seed, names that cannot collide."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from npde.graph.names import EMITTED_NAMES, MODULE_NAMES, attribute
from tests.comparison import EXAMPLES, compiled, random_inputs

GOLDEN = Path(__file__).parent.parent / "golden" / "emit"

CASES = {
    "fisher": ("cnn", "none"),
    "gray_scott": ("cnn", "kernels"),
    "burgers": ("mlp", "none"),
    "closure": ("cnn", "none"),
    "wave": ("cnn", "none"),
    "schrodinger": ("cnn", "none"),
    "soliton": ("cnn", "none"),
    "variable_heat": ("cnn", "none"),
    "parabolic_cnn": ("cnn", "none"),
    "neural_field": ("mlp", "none"),
    "rows": ("rnn", "none"),
    "heat_rod": ("mlp", "layers"),
}

ALONE = """
import importlib.util, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "npde":
            raise ImportError(f"{name} is not needed by an emitted file")
sys.meta_path.insert(0, Refuse())
import torch
torch.manual_seed(0)
spec = importlib.util.spec_from_file_location("emitted", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["emitted"] = module
spec.loader.exec_module(module)
kind = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, torch.nn.Module) and hasattr(v, "FIELDS")][0]
net = kind(dtype=torch.float64)
steps = min(net.STEPS, 2)
inputs = {n: torch.rand(2, *[steps if k is None else k for k in s], dtype=torch.float64) for n, s in net.INPUTS.items()}
out = net(**inputs, steps=steps)
assert torch.isfinite(out if isinstance(out, torch.Tensor) else out["density"]).all()
assert "npde" not in sys.modules
print("ran", tuple(net.march(**inputs, steps=steps).shape))
"""


@pytest.mark.parametrize("name", sorted(CASES))
def test_emitted_file_is_the_golden_one_and_runs_alone(name: str, update_golden: bool) -> None:
    network, free = CASES[name]
    compilation, _ = compiled((EXAMPLES / f"{name}.npde").read_text(), network, free)
    path = GOLDEN / f"{name}.py"
    if update_golden:
        path.write_text(compilation.source)
    assert compilation.source == path.read_text(), f"{path} differs; look, then pytest --update-golden"
    run = subprocess.run([sys.executable, "-c", ALONE, str(path)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("ran")


DIGEST = """
import hashlib, pathlib, sys
from npde.diagnostics import DiagnosticError
from npde.driver import Compilation
from npde.options import CompileOptions
from npde.source import Source
from npde.view import render
total = hashlib.sha256()
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.npde")):
    for network, free in (("cnn", "none"), ("mlp", "kernels"), ("rnn", "layers")):
        try:
            made = Compilation(Source(path.name, path.read_text()), options=CompileOptions(network=network, free=free))
            total.update(made.source.encode())
            total.update(render(made.graph, "json").encode())
        except DiagnosticError as error:
            total.update(str(error).encode())
print(total.hexdigest())
"""


def test_the_same_bytes_for_every_hash_seed() -> None:
    digests = set()
    for seed in ("0", "1", "2", "3"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", DIGEST, str(EXAMPLES)], capture_output=True, text=True, env=environment, check=False
        )
        assert run.returncode == 0, run.stderr
        digests.add(run.stdout.strip())
    assert len(digests) == 1
    assert len(hashlib.sha256().hexdigest()) == len(digests.pop())


def test_what_the_module_owns_is_what_torch_says() -> None:
    public = {n for n in dir(torch.nn.Module) if not n.startswith("_")} | {"training"}
    assert public <= MODULE_NAMES


NAMED = """
model lambda_model
coordinates x in [0, 1], t in [0, 1]
field train(x, t)
learn half = 0.01 > 0, type(x) = 0.5, forward = 0.2, torch = 0.3 > 0, functional(x) = 0.1
input c(x), batch(t), p
dt(train) = half*dxx(train) - type*train*forward + c*batch + p*torch*functional
boundary periodic
initial train = c
grid x: 8
march euler, steps: 4
"""


def test_names_that_python_torch_or_the_module_own() -> None:
    compilation, net = compiled(NAMED, "cnn")
    assert {"raw_half", "type_", "forward_", "raw_torch", "functional_"} == set(dict(net.named_parameters()))
    inputs = random_inputs(net, 4)
    assert set(inputs) == {"c_", "batch_", "p_"}
    assert torch.isfinite(net(**inputs)).all()
    assert attribute("rhs") == "rhs_"
    assert "lambda" not in compilation.graph.class_name
    assert EMITTED_NAMES.isdisjoint({"u", "D"})


def test_wrong_arguments_name_what_was_expected() -> None:
    _, net = compiled((EXAMPLES / "parabolic_cnn.npde").read_text())
    good = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"input 'image' must be \[B, 1, 8, 8\], got \[2, 8, 8\]"):
        net(good[:, 0])
    with pytest.raises(TypeError, match=r"must be torch\.float64, got torch\.float32"):
        net(good.float())
    with pytest.raises(ValueError, match=r"the state \(u\) must be \['B', 16, 8, 8\], got \[2, 1, 8, 8\]"):
        net(good, good)
    with pytest.raises(ValueError, match="learned values for 6 steps, not for 7"):
        net(good, steps=7)
    with pytest.raises(ValueError, match="field 'u' is missing"):
        net.pack()


def test_physical_values_are_assigned_and_kept_in_their_interval() -> None:
    _, net = compiled((EXAMPLES / "fisher.npde").read_text())
    net.D, net.r = 0.25, 4.5
    assert net.D.item() == pytest.approx(0.25, abs=1e-15)
    assert net.r.item() == pytest.approx(4.5, abs=1e-14)
    with pytest.raises(ValueError, match="D > 0 is required"):
        net.D = -1.0
    with pytest.raises(ValueError, match=r"r in \[0, 5\] is required"):
        net.r = 5.0


def test_unconstrained_values_are_assigned_too() -> None:
    _, net = compiled((EXAMPLES / "driven.npde").read_text())
    before = dict(net.named_parameters())["g"]
    net.g = 2.5
    assert dict(net.named_parameters())["g"] is before
    assert torch.equal(net.g.detach(), torch.full((32,), 2.5, dtype=torch.float64))


def test_pack_and_unpack_are_inverse() -> None:
    _, net = compiled((EXAMPLES / "schrodinger.npde").read_text())
    state = net.initial_state(3)
    fields = net.unpack(state)
    assert fields["psi"].is_complex()
    assert fields["psi"].shape == (3, 256)
    assert torch.equal(net.pack(**fields), state)
    _, wave = compiled((EXAMPLES / "wave.npde").read_text())
    assert set(wave.unpack(wave.initial_state())) == {"u", "dt(u)"}


def test_march_frames_and_start() -> None:
    _, net = compiled((EXAMPLES / "driven.npde").read_text())
    s = random_inputs(net, 9)["s"]
    whole = net.march(s, every=1)
    assert whole.shape == (2, 10, 1, 32)
    assert net.march(s, every=4).shape == (2, 3, 1, 32)
    assert torch.equal(net.march(s, every=4)[:, 1], whole[:, 4])
    first = net.march(s[:, :5])
    second = net.march(s[:, 5:], first, start=5)
    assert torch.allclose(second, whole[:, -1], rtol=0, atol=1e-15)


def test_a_march_knows_the_time_of_its_first_step() -> None:
    text = (
        "coordinates t in [1, 2]\nfield u(t)\noutput y(t) = t*u\ndt(u) = cos(t)*u\ninitial u = 1\nmarch rk4, steps: 8\n"
    )
    _, net = compiled(text)
    whole, read = net.march(every=1), net()
    later = net.march(state=whole[:, 3], steps=5, start=3)
    assert torch.equal(later, whole[:, -1])
    assert torch.equal(net(state=whole[:, 3], steps=5, start=3), read[:, 3:])


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore"
)  # torch's tracers warn about themselves, and an error inside them changes what they do
@pytest.mark.parametrize(("name", "steps"), [("fisher", 40), ("parabolic_cnn", 6), ("driven", 60), ("soliton", 12)])
def test_compile_fullgraph_and_export_with_dynamic_batch(name: str, steps: int) -> None:
    from npde.options import Overrides

    small = Overrides(grid={"x": 16, "y": 16}) if name == "fisher" else Overrides()
    _, net = compiled((EXAMPLES / f"{name}.npde").read_text(), overrides=small)
    inputs = random_inputs(net, steps, batch=3)
    state = net.initial_state(3, **inputs).detach()
    expected = net(**inputs, state=state, steps=steps)
    torch._dynamo.reset()
    found = torch.compile(net, fullgraph=True, backend="aot_eager")(**inputs, state=state, steps=steps)
    assert torch.allclose(found, expected, rtol=1e-12, atol=1e-14)
    if any(p.requires_grad for p in net.parameters()):
        found.sum().backward()
        grown = [p.grad.clone() for p in net.parameters() if p.grad is not None]
        net.zero_grad()
        net(**inputs, state=state, steps=steps).sum().backward()
        for got, want in zip(grown, [p.grad for p in net.parameters() if p.grad is not None], strict=True):
            assert torch.allclose(got, want, rtol=1e-9, atol=1e-12)
    batch = torch.export.Dim("batch", min=2)
    shapes = {**{n: {0: batch} for n in inputs}, "state": {0: batch}, "steps": None}
    exported = torch.export.export(net, (), {**inputs, "state": state, "steps": steps}, dynamic_shapes=shapes)
    more = random_inputs(net, steps, batch=5)
    begin = net.initial_state(5, **more).detach()
    again = exported.module()(**more, state=begin, steps=steps)
    assert torch.allclose(again, net(**more, state=begin, steps=steps), rtol=1e-12, atol=1e-14)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # as above
@pytest.mark.parametrize(
    ("scheme", "wall"),
    [
        ("strang", "periodic"), ("etdrk2", "periodic"), ("sbdf2", "periodic"), ("crank_nicolson", "periodic"),
        ("crank_nicolson", "x = 0: u = cos(t)\nboundary x = 1: u = 0"),
    ],
)  # fmt: skip
def test_marches_that_scan_without_gradients_compile_and_export(scheme: str, wall: str) -> None:
    """Longer than what unrolls: torch's scan cannot differentiate complex numbers, nor a block solve beside the time."""
    reaction = " + u*(1 - u)" if scheme != "crank_nicolson" else ""
    _, net = compiled(
        f"coordinates x in [0, 1], t in [0, 0.1]\nfield u(x, t)\nlearn D = 0.02 > 0\ndt(u) = D*dxx(u){reaction}\n"
        f"boundary {wall}\ninitial u = 1/2 + 1/3*sin(2*pi*x)\ngrid x: 16\nmarch {scheme}, steps: 10\n"
    )
    state = net.initial_state(2).detach()
    expected = net(state)
    expected.sum().backward()
    wanted = net.raw_D.grad.clone()
    net.zero_grad()
    torch._dynamo.reset()
    traced = torch.compile(net, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        assert torch.allclose(traced(state), expected, rtol=1e-12, atol=1e-14)
    traced(state).sum().backward()
    assert torch.allclose(net.raw_D.grad, wanted, rtol=1e-10)
    exported = torch.export.export(net, (state,), strict=True).module()
    assert torch.allclose(exported(state), expected, rtol=1e-12, atol=1e-14)
