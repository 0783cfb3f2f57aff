"""`npde.load`, `npde.parse` and what a `Model` answers."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
import sympy as sp

import npde
from npde.diagnostics import DiagnosticError

FISHER = """model fisher "A front."
coordinates x, y in [0, 20], t in [0, 1]
field u(x, y, t)
learn D = 0.1 > 0
learn r = 1 in [0, 5]
dt(u) = D*lap(u) + r*u*(1 - u)
boundary periodic
initial u = exp(-(x - 10)^2 - (y - 10)^2)
grid x: 16, y: 24
march rk4, steps: 10
"""
WRONG = FISHER.replace("r*u*(1 - u)", "r*u*(1 - u) + E*u + q")


def test_equations_are_sympy_as_written() -> None:
    model = npde.parse(FISHER)
    (equation,) = model.equations
    x, y, t = (sp.Symbol(name, real=True) for name in "xyt")
    u = sp.Function("u")(x, y, t)
    assert equation.lhs == sp.Derivative(u, t)
    expected = model.D * (sp.Derivative(u, (x, 2)) + sp.Derivative(u, (y, 2))) + model.r * u * (1 - u)
    assert sp.expand(equation.rhs - expected) == 0
    assert sp.diff(equation.rhs, model.r) == u * (1 - u)


def test_names_of_the_model_are_attributes() -> None:
    model = npde.parse(FISHER)
    assert list(model.fields) == ["u"]
    assert list(model.learnables) == ["D", "r"]
    assert model.learnables["r"].constraint.upper == 5
    assert not model.inputs
    assert model.name == "fisher"
    assert {"D", "r", "u", "x", "t"} <= set(dir(model))
    with pytest.raises(AttributeError, match="no field, learnable, input or constant 'z'"):
        _ = model.z


def test_equations_of_every_example_are_found(examples: dict[str, Path]) -> None:
    for name, path in examples.items():
        model = npde.load(path)
        assert len(model.equations) == len(model.fields), name
        for equation in model.equations:
            assert isinstance(equation, sp.Eq), name
            assert sp.latex(equation), name


def test_textbook_form_of_what_is_not_pointwise() -> None:
    model = npde.parse(
        """model m
coordinates x in [0, 1], t in [0, 1]
field u(x, t), v[2](x, t)
learn W(x, x'), f(a) = mlp(4, tanh), A[2, 2]
let k = 2*pi
dt(u) = integral(W(x, x')*u(x'), x') + f(u) + k*abs2(u) + where(u > 0, u, 0)
dt(v) = A@v + [u, v[0]]
boundary periodic
initial u = 0
initial v = [0, 0]
grid x: 8
march euler, steps: 10
"""
    )
    first, second = (str(equation.rhs) for equation in model.equations)
    assert "Integral(W(x, x')*u(x', t), (x', 0, 1))" in first
    assert "f(u(x, t))" in first
    assert "k*Abs(u(x, t))**2" in first
    assert "Piecewise" in first
    assert second == "matmul(A, v(x, t)) + vector(u(x, t), v_0(x, t))"


def test_check_reports_and_raises_nothing() -> None:
    assert npde.parse(FISHER).check() == []
    found = npde.parse(WRONG).check()
    assert {d.code for d in found} == {"N0203"}
    assert [WRONG[d.span.start : d.span.stop] for d in found] == ["E", "q"]
    assert npde.parse("model (").check()
    assert npde.parse("").check()


def test_check_takes_overrides() -> None:
    model = npde.parse(FISHER)
    (found,) = model.check(grid={"z": 4})
    assert "'z'" in found.message
    assert model.check(grid={"x": 32}, march="euler,steps=40", network="cnn") == []


def test_a_wrong_model_raises_when_it_matters() -> None:
    model = npde.parse(WRONG)
    for use in (lambda: model.equations, lambda: model.D, model.compile, model.analyze, lambda: model.show("scheme")):
        with pytest.raises(DiagnosticError) as caught:
            use()
        assert len(caught.value.diagnostics) == 2
        assert "<text>:6:" in str(caught.value)
    assert "2 errors" in repr(model)
    assert "N0203" in model._repr_html_()


def test_load_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError, match="cannot be opened: no such file"):
        npde.load(tmp_path / "none.npde")
    with pytest.raises(DiagnosticError, match="cannot be opened: is a directory"):
        npde.load(tmp_path)
    (tmp_path / "latin.npde").write_bytes("model größe\n".encode("latin-1"))
    with pytest.raises(DiagnosticError, match="N0001"):
        npde.load(tmp_path / "latin.npde")
    (tmp_path / "huge.npde").write_bytes(b"# " + b"x" * 1_000_100)
    with pytest.raises(DiagnosticError, match="N0010"):
        npde.load(tmp_path / "huge.npde")
    with pytest.raises(DiagnosticError, match="N1001"):
        npde.load("a\0b")


@pytest.mark.parametrize("stage", ["syntax", "problem", "system", "scheme", "graph", "source"])
def test_every_stage_can_be_shown(stage: str) -> None:
    text = npde.parse(FISHER).show(stage)
    assert text.endswith("\n")
    assert "u" in text
    assert text == npde.parse(FISHER).show(stage)


def test_show_and_compile_refuse_what_there_is_not() -> None:
    model = npde.parse(FISHER)
    with pytest.raises(ValueError, match="'stage' is one of"):
        model.show("loops")
    with pytest.raises(ValueError, match="'backend'"):
        model.compile(backend="cuda")
    with pytest.raises(ValueError, match="'dtype'"):
        model.compile(dtype="int64")
    with pytest.raises(ValueError, match="'network' is one of cnn, mlp or rnn"):
        model.compile(network="gnn")
    with pytest.raises(ValueError, match="device 'nowhere'"):
        model.compile(device="nowhere")


def test_analysis_before_anything_is_allocated() -> None:
    a = npde.parse(FISHER).analyze(grid={"x": 4096, "y": 4096})
    assert dict(a.order) == {"space": 2, "time": 4}
    assert a.dt == pytest.approx(0.1)
    assert a.steps == 10
    assert a.cost.parameters == 2
    assert a.cost.flops > 10 * 4096**2
    assert a.reach == (4, 4)
    assert isinstance(a.exact, bool)
    coarse, fine = (npde.parse(FISHER).analyze(grid={"x": n, "y": n}).dt_max for n in (128, 256))
    assert coarse / fine == pytest.approx(4, rel=0.05)  # the reaction takes a little of it


def test_a_model_prints_copies_and_pickles() -> None:
    model = npde.parse(FISHER)
    assert repr(model).startswith("<npde.Model fisher: Derivative(u(x, y, t), t) = ")
    assert "A front." in model._repr_html_()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.equations == model.equations


def test_html_escapes_what_the_user_wrote() -> None:
    model = npde.parse(FISHER.replace("A front.", "<script>alert(1)</script>"))
    assert "<script>" not in model._repr_html_()


def test_importing_npde_imports_nothing_heavy_and_has_no_effect() -> None:
    code = (
        "import sys, npde; npde.__version__; npde.NpdeError; m = npde.parse('model x'); "
        "bad = {'torch', 'sympy', 'numpy', 'h5py', 'matplotlib', 'rich', 'networkx'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_version_is_that_of_the_package() -> None:
    import tomllib

    project = tomllib.loads((Path(npde.__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert npde.__version__ == project["version"]


def test_all_names_of_the_door_exist() -> None:
    for name in npde.__all__:
        assert getattr(npde, name) is not None
    with pytest.raises(AttributeError):
        _ = npde.nothing


def test_an_error_shows_the_lines_in_a_traceback_and_only_them_in_a_notebook() -> None:
    with pytest.raises(DiagnosticError) as caught:
        npde.parse(WRONG).compile()
    shown = "".join(traceback.format_exception(caught.value))
    assert "6 | dt(u) = D*lap(u) + r*u*(1 - u) + E*u + q" in shown
    assert shown.count("no field, let, learn or input has this name") == 2
    in_notebook = "\n".join(caught.value._render_traceback_())
    assert in_notebook.startswith("error[N0203]: 'E' is not declared.\n  --> <text>:6:34\n")
    assert "Traceback" not in in_notebook
    twin = pickle.loads(pickle.dumps(caught.value))
    assert (twin.diagnostics, str(twin)) == (caught.value.diagnostics, str(caught.value))
    caught.value.add_note("more")
    assert traceback.format_exception(caught.value)[-1] == "more\n"
