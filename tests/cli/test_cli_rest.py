"""`npde new`, `doctor`, exit statuses, streams, colors; and processes as a user starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from npde.cli import app
from npde.cli.examples import examples
from npde.diagnostics import InternalError

HEAVY = ("torch", "matplotlib", "h5py", "networkx", "rich", "numpy", "sympy")


def process(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k not in ("NPDE_DEBUG", "FORCE_COLOR", "NO_COLOR")}
    return subprocess.run(
        [sys.executable, "-m", "npde", *args], capture_output=True, text=True, check=False, env=clean | environment
    )


def imported_by(*args: str) -> set[str]:
    """What `npde ARGS` leaves in `sys.modules`."""
    code = (
        "import sys\nfrom npde.cli import app\n"
        f"try:\n    app.main({list(args)!r})\nexcept SystemExit as end:\n    assert end.code == 0, end.code\n"
        f"sys.stderr.write('|' + ','.join(m for m in {HEAVY!r} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(filter(None, done.stderr.rsplit("|", 1)[1].split(",")))


# --- new, doctor ------------------------------------------------------------------------------------------------------


def test_new_starts_from_an_example(npde) -> None:
    result = npde("new", "my_model", "--like", "closure")
    assert result.stdout == "my_model.npde\n"
    text = Path("my_model.npde").read_text()
    assert text.startswith("model my_model ")
    assert text.split("\n", 1)[1] == examples()["closure"].read_text().split("\n", 1)[1]
    npde("check", "my_model.npde")


def test_new_does_not_replace_unless_asked(npde) -> None:
    before = Path("heat.npde").read_text()
    assert "--force" in npde("new", "heat", status=2).stderr
    assert Path("heat.npde").read_text() == before
    npde("new", "heat.npde", "--force")
    assert Path("heat.npde").read_text() != before


@pytest.mark.parametrize("name", ["9lives", "two words", "model", "x'y", "a-b", "é"])
def test_new_refuses_what_is_no_name(npde, name: str) -> None:
    assert "cannot be the name" in npde("new", name, status=2).stderr
    assert [p.name for p in Path().iterdir()] == ["heat.npde"]


def test_new_lists_the_examples(npde) -> None:
    lines = npde("new", "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(examples())
    assert any(line.startswith("fisher ") and "Fisher-KPP" in line for line in lines)
    assert "no example 'heart'" in npde("new", "a", "--like", "heart", status=2).stderr
    assert "did you mean 'gray_scott'?" in npde("new", "a", "--like", "gray_scot", status=2).stderr


def test_every_example_can_be_started_from(npde) -> None:
    from npde import syntax
    from npde.cli.examples import with_name
    from npde.source import Source

    for path in examples().values():
        assert syntax.parse(Source("x", with_name(path, "renamed"))).statements


def test_doctor(npde) -> None:
    text = npde("doctor").stdout
    for word in ("npde", "python", "torch", "devices", "cpu", "compiler", "flags", "kernels", "ffmpeg", "examples"):
        assert word in text
    found = json.loads(npde("doctor", "--json").stdout)
    assert found["devices"][0] == "cpu"
    assert found["needed"]["torch"]
    assert found["memory"] > 2**20


# --- errors that are not the user's -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (RuntimeError("oops"), 70, "this is a bug in npde: RuntimeError: oops"),
        (InternalError("a gap"), 70, "this is a bug in npde: InternalError: a gap"),
        (MemoryError(), 1, "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "not enough memory"),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_status_of_what_can_happen(npde, error: BaseException, status: int, said: str, monkeypatch) -> None:
    from npde.cli import summary

    def raise_it(*_: object) -> None:
        raise error

    monkeypatch.setattr(summary, "check_file", raise_it)
    result = npde("check", "heat.npde", status=status)
    assert said in result.stderr
    if status == 70:
        assert "report it" in result.stderr
        assert "NPDE_DEBUG=1" in result.stderr


def test_debug_shows_the_traceback(npde, monkeypatch) -> None:
    from npde.cli import summary

    monkeypatch.setattr(summary, "check_file", lambda *_: 1 / 0)
    monkeypatch.setenv("NPDE_DEBUG", "1")
    result = CliRunner().invoke(app, ["check", "heat.npde"])
    assert result.exit_code == 70
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError" in result.stderr


# --- processes --------------------------------------------------------------------------------------------------------


def test_check_fmt_show_and_help_do_not_import_torch(npde) -> None:
    """`--help` and `fmt` import nothing heavy at all."""
    assert imported_by("run", "--help") == set()
    assert imported_by("fmt", "heat.npde") == set()
    assert imported_by("check", "heat.npde") <= {"sympy", "numpy"}
    assert imported_by("show", "heat.npde", "--stage", "source") <= {"sympy", "numpy"}


def test_statuses_and_streams_of_a_process(npde) -> None:
    good = process("check", "heat.npde")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("heat.npde: no errors\n")
    wrong = process("compile", "none.npde")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith("error[N1001]: 'none.npde' cannot be opened: no such file or directory.")
    assert process("compile").returncode == 2


def test_colors_only_where_they_are_asked_for(npde, monkeypatch) -> None:
    Path("bad.npde").write_text("model (\n")
    assert "\x1b[" not in npde("check", "bad.npde", status=1).stdout
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1;31merror[" in npde("check", "bad.npde", status=1).stdout
    assert "\x1b[31m" in npde("check", status=2).stderr
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in npde("check", "bad.npde", status=1).stdout
    assert "\x1b[" not in npde("check", status=2).stderr


def test_a_reader_that_goes_away_gets_no_complaint(npde) -> None:
    pipe = subprocess.Popen(
        [sys.executable, "-m", "npde", "new", "--list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )  # fmt: skip
    assert pipe.stdout is not None
    assert pipe.stderr is not None
    pipe.stdout.close()
    said = pipe.stderr.read().decode()
    pipe.stderr.close()
    pipe.wait()
    assert said == ""


def test_output_to_standard_output_of_a_process(npde) -> None:
    done = process("compile", "heat.npde", "-o", "/dev/stdout")
    assert done.stdout.startswith('"""A rod.')
