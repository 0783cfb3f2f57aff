"""The package as it is installed: version, grammar and examples, in a wheel, in a checkout, and in both at once."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import npde

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

CODE = """
import npde
from npde.driver import Compilation
from npde.source import Source
text = "model m\\ncoordinates x in [0, 1], t in [0, 0.01]\\nfield u(x, t)\\ndt(u) = dxx(u)\\nboundary periodic\\n"
text += "initial u = sin(2*pi*x)\\ngrid x: 16\\nmarch rk4, dt: auto\\n"
made = Compilation(Source("m", text))
compile(made.source, "m.py", "exec")
print(npde.__file__)
"""


def test_the_version_is_said_once() -> None:
    assert PROJECT["project"]["version"] == npde.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {npde.__version__}" in changelog


def test_constraints_pin_every_direct_dependency() -> None:
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    wanted = list(PROJECT["project"]["dependencies"])
    for name, extra in PROJECT["project"]["optional-dependencies"].items():
        if name != "bench":  # peers ask for versions of their own, and have an environment of their own
            wanted += [w for w in extra if not w.startswith("npde")]
    names = {w.split(">")[0].split("=")[0].split("[")[0].strip().lower().replace("_", "-") for w in wanted}
    assert names - pinned == set()


def test_constraints_pin_torch_without_a_local_version() -> None:
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    (line,) = [entry for entry in text.splitlines() if entry.startswith("torch==")]
    assert "+" not in line


def test_no_committed_text_names_a_path_of_this_machine() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    own = str(ROOT)
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".png", ".gif", ".h5") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        assert own not in text, name
        assert str(Path.home()) + "/" not in text, name


def python(code: str, folder: Path, *paths: Path, isolated: bool = True) -> str:
    """What `code` prints when run in `folder`, with `paths` to import from."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    flags = ["-P"] if isolated else []
    done = subprocess.run(
        [sys.executable, *flags, "-c", code], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout and unpacked into a folder as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    place = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


@pytest.mark.slow
def test_the_wheel_carries_grammar_and_examples(installed: Path) -> None:
    assert (installed / "npde" / "_grammar" / "npde.lark").read_bytes() == (ROOT / "grammar" / "npde.lark").read_bytes()
    carried = {p.name for p in (installed / "npde" / "_examples").glob("*.npde")}
    assert carried == {p.name for p in (ROOT / "examples").glob("*.npde")}
    assert (installed / "npde" / "py.typed").exists()
    assert not (installed / "tests").exists()


@pytest.mark.slow
def test_the_wheel_works_elsewhere(installed: Path, tmp_path: Path) -> None:
    assert python(CODE, tmp_path, installed).startswith(str(installed))
    run = "import sys; sys.argv = ['npde', 'new', 'mine', '--like', 'wave']; from npde.cli import main; main()"
    python(run, tmp_path, installed)
    assert (tmp_path / "mine.npde").read_text(encoding="utf-8").startswith("model mine")


@pytest.mark.slow
def test_the_wheel_works_inside_a_checkout(installed: Path) -> None:
    assert python(CODE, ROOT, installed).startswith(str(installed))


@pytest.mark.slow
def test_a_checkout_works_uninstalled(tmp_path: Path) -> None:
    assert python(CODE, tmp_path, ROOT).startswith(str(ROOT / "npde"))
    assert python(CODE, ROOT, isolated=False).startswith(str(ROOT / "npde"))


@pytest.mark.slow
def test_the_source_distribution_builds_the_same_wheel(installed: Path, tmp_path: Path) -> None:
    import tarfile

    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(tmp_path, filter="data")
    (folder,) = [p for p in tmp_path.iterdir() if p.is_dir()]
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=folder, capture_output=True, check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as built:
        names = {n for n in built.namelist() if n.startswith("npde/")}
    assert names == {p.relative_to(installed).as_posix() for p in (installed / "npde").rglob("*") if p.is_file()}
