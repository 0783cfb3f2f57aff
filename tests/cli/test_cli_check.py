"""`npde check`, `show`, `explain`, `fmt`, `compile`, `graph`: what they print, where, and with which status."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from npde.cli import app
from npde.cli.app import COMMANDS
from npde.cli.examples import examples

CHECKED = """\
heat.npde: no errors
  grid     x: 16, 1 channel
  order    2 in space, 4 in time (rk4)
"""
WRONG = """\
error[N0203]: 'q' is not declared.
  --> heat.npde:5:22
   |
 5 | dt(u) = D*dxx(u) + r*q
   |                      ^ no field, let, learn or input has this name
"""


def spoil(**replacements: str) -> None:
    path = Path("heat.npde")
    text = path.read_text()
    for old, new in replacements.items():
        text = text.replace(old.replace("_", "*"), new)
    path.write_text(text)


# --- check ------------------------------------------------------------------------------------------------------------


def test_check_says_what_is_worth_knowing(npde) -> None:
    result = npde("check", "heat.npde")
    assert result.stdout.startswith(CHECKED)
    assert result.stderr == ""
    assert "dt = 0.005, 20 steps; stable" in result.stdout
    assert "learns   2 numbers" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_check_reports_mistakes_with_their_line(npde) -> None:
    spoil(r_u="r*q")
    result = npde("check", "heat.npde", status=1)
    assert result.stdout.startswith(WRONG)
    assert result.stdout.endswith("heat.npde: 1 error\n")
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_check_takes_several_files_and_standard_input(npde) -> None:
    text = Path("heat.npde").read_text()
    Path("bad.npde").write_text(text.replace("r*u", "r*q"))
    result = npde("check", "heat.npde", "bad.npde", "-", "none.npde", text=text, status=1)
    tails = [line for line in result.stdout.splitlines() if line.endswith(("errors", "1 error"))]
    assert tails == ["heat.npde: no errors", "bad.npde: 1 error", "<stdin>: no errors", "none.npde: 1 error"]


def test_warnings_do_not_fail(npde) -> None:
    spoil(**{"learn D = 0.5 > 0, r = 0": "learn D = 0.5 > 0, r = 0, q = 1"})
    result = npde("check", "heat.npde")
    assert "warning[N0213]: 'q' is never used." in result.stdout
    assert "heat.npde: 1 warning" in result.stdout
    assert "learns" in result.stdout


def test_check_json(npde) -> None:
    Path("bad.npde").write_text(Path("heat.npde").read_text().replace("r*u", "r*q"))
    found = json.loads(npde("check", "heat.npde", "bad.npde", "--json", status=1).stdout)["files"]
    assert [f["file"] for f in found] == ["heat.npde", "bad.npde"]
    analysis = found[0]["analysis"]
    assert (analysis["grid"], analysis["steps"], analysis["parameters"]) == ({"x": 16}, 20, 2)
    assert analysis["order"] == {"space": 2, "time": 4}
    (diagnostic,) = found[1]["diagnostics"]
    assert diagnostic["code"] == "N0203"
    assert diagnostic["start"] == {"line": 5, "column": 22, "offset": diagnostic["start"]["offset"]}
    assert "analysis" not in found[1]


def test_overrides_reach_the_compiler(npde) -> None:
    found = json.loads(
        npde(
            "check", "heat.npde", "--grid", "x=32", "--march", "euler,steps=400", "--set", "D=0.25", "--extent", "t=0,0.2",
            "--extent", "x=0,2", "--network", "mlp", "--json",
        ).stdout
    )["files"][0]["analysis"]  # fmt: skip
    assert found["grid"] == {"x": 32}
    assert (found["scheme"], found["steps"], found["dt"]) == ("euler", 400, pytest.approx(0.0005))
    assert found["dt_max"] == pytest.approx((2 / 32) ** 2 / (2 * 0.25), rel=0.3)


@pytest.mark.parametrize(
    "args",
    [
        ("--grid", "z=4"),
        ("--grid", "x"),
        ("--grid", "x=1.5"),
        ("--order", "zero"),
        ("--march", "rk4,stops=3"),
        ("--set", "D=-1"),
        ("--set", "q=1"),
        ("--set", "D=1e999999999"),
        ("--extent", "t=1,0"),
        ("--extent", "w=0,1"),
        ("--network", "gnn"),
        ("--free", "all"),
        ("--nonsense",),
    ],
)
def test_a_wrong_option_is_status_2_and_says_why(npde, args: tuple[str, ...]) -> None:
    result = npde("check", "heat.npde", *args, status=2)
    assert "error" in result.output
    assert any(word in result.output for word in (args[0], args[0].lstrip("-")))


# --- show -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["syntax", "problem", "system", "scheme", "graph", "source"])
def test_every_stage_as_text_and_as_json(npde, stage: str) -> None:
    assert "u" in npde("show", "heat.npde", "--stage", stage).stdout
    json.loads(npde("show", "heat.npde", "--stage", stage, "--json").stdout)


def test_show_system_and_scheme(npde) -> None:
    system = npde("show", "heat.npde", "--stage", "system").stdout
    assert "dt(u) = D*dxx(u) + r*u\n" in system
    assert "D*dxx(u): linear, order 2, constant coefficients, conservative, affine in D" in system
    assert "dn(u) = 0 at the upper end of x" in system
    scheme = npde("show", "heat.npde", "--stage", "scheme").stdout
    assert "x: 16 cells on [0, 1], spacing 0.0625, cell centers" in scheme
    assert "u[-1] = -u[0]" in scheme
    assert "u[N] = u[N-1]" in scheme
    assert "k4 = F(t + dt, q + dt*k3)" in scheme


def test_show_of_a_wrong_file_is_diagnostics_on_standard_error(npde) -> None:
    spoil(r_u="r*q")
    result = npde("show", "heat.npde", status=1)
    assert result.stdout == ""
    assert result.stderr.startswith(WRONG)
    shown = json.loads(npde("show", "heat.npde", "--json", status=1).stdout)
    assert [d["code"] for d in shown["diagnostics"]] == ["N0203"]


# --- explain ----------------------------------------------------------------------------------------------------------


def test_explain_a_file(npde) -> None:
    text = npde("explain", "heat.npde").stdout
    sections = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert sections == [
        "heat: A rod.", "Equations", "Grid", "Stencils", "Walls", "Time", "Step bound", "Modified equation",
        "Invariants", "Network", "Native kernels", "Learned", "Cost of a step (float32, one sample)",
        "Peak memory (float32, one sample)",
    ]  # fmt: skip
    assert "(f[i-1] - 2*f[i] + f[i+1])/hx^2" in text
    assert "D: 1 number, > 0, starts at 0.5" in text
    assert "a step is 4 sweeps over the grid, " in text
    assert "receptive field of a step, in cells on each side: 4 along x" in text


def test_explain_shows_fourth_order_stencils_and_closures(npde) -> None:
    text = npde("explain", "heat.npde", "--order", "4", "--march", "steps=100").stdout
    assert "(-f[i-2] + 16*f[i-1] - 30*f[i] + 16*f[i+1] - f[i+2])/(12*hx^2)" in text
    ghosts = [line.strip() for line in text.splitlines() if line.strip().startswith("u[-")]
    assert len(ghosts) == 2


def test_explain_a_code(npde) -> None:
    text = npde("explain", "n0203").stdout
    assert text.startswith("error[N0203]: '…' is not declared.")
    assert "For example:" in text
    assert json.loads(npde("explain", "N0203", "--json").stdout)["code"] == "N0203"
    assert "There is no diagnostic" in npde("explain", "N9999", status=2).stderr


# --- fmt --------------------------------------------------------------------------------------------------------------


def test_fmt_in_place_once(npde) -> None:
    path = Path("heat.npde")
    canonical = path.read_text()
    path.write_text(canonical.replace("dt(u) = D*dxx(u) + r*u", "dt( u )=D * dxx(u)+r*u  "))
    assert npde("fmt", "--check", "heat.npde", status=1).stdout == "heat.npde would change\n"
    assert npde("fmt", "heat.npde").stdout == "heat.npde changed\n"
    assert path.read_text() == canonical
    again = npde("fmt", "heat.npde")
    assert again.stdout == ""
    assert "already formatted" in again.stderr
    npde("fmt", "--check", "heat.npde")


def test_fmt_unicode_and_back(npde) -> None:
    text = Path("heat.npde").read_text()
    unicode = npde("fmt", "--unicode", "-", text=text).stdout
    assert "∂t u = " in unicode
    assert npde("fmt", "-", text=unicode).stdout == text


def test_fmt_leaves_wrong_files_alone(npde) -> None:
    Path("bad.npde").write_text("model (\n")
    Path("good.npde").write_text("model   good\n")
    result = npde("fmt", "bad.npde", "good.npde", status=1)
    assert Path("bad.npde").read_text() == "model (\n"
    assert Path("good.npde").read_text() == "model good\n"
    assert "bad.npde" in result.stderr


# --- compile, graph ---------------------------------------------------------------------------------------------------


def test_compile_to_standard_output_and_to_a_file(npde) -> None:
    source = npde("compile", "heat.npde").stdout
    ast.parse(source)
    assert "class Heat(nn.Module)" in source
    result = npde("compile", "heat.npde", "-o", "deep/model.py")
    assert result.stdout == ""
    assert "Wrote Heat to deep/model.py" in result.stderr
    assert Path("deep/model.py").read_text() == source
    assert "as a mlp" in npde("compile", "heat.npde", "--network", "mlp", "--free", "layers").stdout


def test_several_files_at_once(npde) -> None:
    npde("new", "rod", "--like", "heat_rod")
    npde("compile", "heat.npde", "rod.npde", "-o", "out/{model}.py")
    assert sorted(p.name for p in Path("out").iterdir()) == ["heat.py", "rod.py"]
    npde("graph", "heat.npde", "rod.npde", "-o", "out/{model}.svg")
    assert Path("out/rod.svg").is_file()
    assert "write '{model}'" in npde("compile", "heat.npde", "rod.npde", "-o", "one.py", status=2).stderr
    shown = npde("show", "heat.npde", "rod.npde", "--stage", "scheme").stdout
    assert "scheme heat\n" in shown
    assert "\n\nscheme rod\n" in shown
    both = npde("explain", "N0203", "heat.npde").stdout
    assert both.startswith("error[N0203]")
    assert "\nheat: A rod.\n" in both
    ran = npde("run", "heat.npde", "rod.npde").stdout
    assert "wrote heat.h5" in ran
    assert "wrote rod.h5" in ran


def test_graph_by_suffix(npde) -> None:
    assert "heat" in npde("graph", "heat.npde").stdout
    marks = {
        "svg": b"<svg",
        "json": b"{",
        "dot": b"digraph",
        "html": b"<!",
        "txt": b"heat",
        "mmd": b"flowchart",
        "png": b"\x89PNG",
    }
    for kind, mark in marks.items():
        npde("graph", "heat.npde", "-o", f"g.{kind}")
        assert mark in Path(f"g.{kind}").read_bytes()[:200], kind
    assert "should end in" in npde("graph", "heat.npde", "-o", "g.bmp", status=2).stderr
    assert "not supported yet" in npde("graph", "heat.npde", "-o", "g.onnx", status=1).stderr


# --- the group --------------------------------------------------------------------------------------------------------


def test_help_lists_every_command_and_every_command_has_help(npde) -> None:
    text = npde("--help").stdout
    assert all(f"  {name} " in text for name in COMMANDS)
    for name in COMMANDS:
        shown = npde(name, "--help").stdout
        assert shown.startswith(f"Usage: npde {name} ")
        assert max(map(len, shown.splitlines())) <= 100
    assert npde("--version").stdout.startswith("npde 0.")


def test_a_slip_is_answered_with_what_was_meant(npde) -> None:
    assert "Did you mean 'check'?" in npde("chekc", "heat.npde", status=2).stderr
    assert "Did you mean 'npde check heat.npde'?" in npde("heat.npde", status=2).stderr
    assert "Missing argument" in npde("check", status=2).stderr


def test_a_folder_is_no_file(npde) -> None:
    Path("folder").mkdir()
    assert "is a folder" in npde("compile", "folder", status=2).stderr


def test_examples_check_or_are_told_what_is_not_there_yet(npde) -> None:
    for name, path in examples().items():
        result = CliRunner().invoke(app, ["check", str(path), "--json"])
        found = json.loads(result.stdout)["files"][0]["diagnostics"]
        errors = {d["code"] for d in found if d["severity"] == "error"}
        assert all(code.startswith("N09") for code in errors), (name, errors)
        assert result.exit_code == (1 if errors else 0), name


# --- options ----------------------------------------------------------------------------------------------------------


def test_an_option_that_is_repeated_adds_up(npde) -> None:
    text = Path("heat.npde").read_text()
    Path("plane.npde").write_text(
        text.replace("x in", "x, y in")
        .replace("u(x, t)", "u(x, y, t)")
        .replace("grid x: 16", "grid x: 16, y: 16")
        .replace("dxx(u)", "lap(u)")
        + "boundary y: periodic\n"
    )
    result = npde("check", "plane.npde", "--grid", "x=8", "--grid", "y=9")
    assert "grid     x: 8, y: 9" in result.stdout
    assert "twice" in npde("check", "plane.npde", "--grid", "x=8", "--grid", "x=9", status=2).stderr


def test_what_an_option_is_to_blame_for_points_at_no_line(npde) -> None:
    result = npde("check", "heat.npde", "--march", "rk4,steps=1", status=1)
    assert "--> heat.npde\n" in result.stdout
    assert "The step comes from the option '--march'." in result.stdout


def test_without_a_command_npde_says_what_there_is(npde) -> None:
    result = npde(status=2)
    assert result.stderr.startswith("Usage: npde")
    assert "error" not in result.stderr.splitlines()[0]


@pytest.mark.parametrize("command", [["run", "-o", "o.h5"], ["compile", "-o", "heat.py"]])
def test_warnings_are_said_by_whatever_goes_on_with_a_file(npde, command: list[str]) -> None:
    path = Path("heat.npde")
    path.write_text(path.read_text() + "let unused = 1\n")
    name, *rest = command
    result = npde(name, "heat.npde", *rest)
    assert "warning[N0213]: 'unused' is never used." in result.stderr
    assert "warning" not in result.stdout


def test_explain_writes_a_page(npde, tmp_path) -> None:
    target = tmp_path / "report.html"
    done = npde("explain", "heat.npde", "-o", str(target))
    assert done.stdout == f"wrote {target}\n"
    assert "Stability and order" in target.read_text(encoding="utf-8")
    assert "should end in .html" in npde("explain", "heat.npde", "-o", "report.pdf", status=2).stderr
