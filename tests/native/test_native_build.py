"""The builder of native kernels: what it makes, and what it does when compilers, folders and flags are not as hoped."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from npde.native import cache, compiler
from npde.native.build import built, load, toolchain
from npde.native.compiler import CompilerError, NoCompilerError

ROOT = Path(__file__).resolve().parent.parent.parent
REAL = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
pytestmark = pytest.mark.skipif(REAL is None or os.name != "posix", reason="needs a C compiler")

ADD = """
int add(int a, int b) { return a + b; }
int threads(void) {
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test, and no `$CC`."""
    monkeypatch.setenv("NPDE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CC", raising=False)
    return tmp_path


def entries(folder: Path) -> list[Path]:
    return [p for p in (folder / "cache/kernels").glob("*-*") if p.is_dir() and not p.name.startswith(".")]


def script(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> Path:
    """A compiler of ours as `$CC`: a shell script that may end in `exec {cc} "$@"`."""
    path = folder / "wrapped"
    path.write_text(f"#!/bin/sh\n{textwrap.dedent(body).format(cc=REAL, here=folder)}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CC", str(path))
    return path


def python(code: str, **options) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


BUILD = f"from npde.native.build import load; print(load({ADD!r}, name='add').add(2, 3))"


# --- what is built ----------------------------------------------------------------------------------------------------


def test_a_function_is_built_and_called(folder: Path) -> None:
    assert load(ADD, name="add").add(2, 3) == 5
    (entry,) = entries(folder)
    assert sorted(p.name for p in entry.iterdir()) == ["built.json", "kernel.c", "kernel.so"]
    assert (entry / "kernel.c").read_text() == ADD
    assert json.loads((entry / "built.json").read_text())["flags"] == list(toolchain().flags)


def test_what_was_built_is_not_built_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(folder, monkeypatch, 'echo run >> {here}/log; exec {cc} "$@"')
    load(ADD, name="add")
    count = (folder / "log").read_text().count("run")
    assert load(ADD, name="add").add(1, 1) == 2
    assert python(BUILD).communicate()[0].strip() == "5"
    assert (folder / "log").read_text().count("run") == count


def test_source_flags_and_compiler_are_parts_of_the_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {built(ADD, name="add"), built(ADD + "\n", name="add"), built(ADD, name="add", flags=("-DX=1",))}
    script(folder, monkeypatch, 'case $1 in --version) echo another 1.0;; *) exec {cc} "$@";; esac')
    paths.add(built(ADD, name="add"))
    monkeypatch.setattr(compiler, "processor", lambda: "another")
    paths.add(built(ADD, name="add"))
    assert len(paths) == 5


def test_a_name_is_never_a_path(folder: Path) -> None:
    path = built(ADD, name="../../-o x; touch y/" + "z" * 100)
    assert path.parent.parent == folder / "cache/kernels"
    assert len(path.parent.name) < 80


def test_mathematics_is_linked() -> None:
    import ctypes

    library = load("#include <math.h>\ndouble f(double x) { return tanh(x) + pow(x, 0.3); }", name="f")
    library.f.restype, library.f.argtypes = ctypes.c_double, [ctypes.c_double]
    assert library.f(0.25) == pytest.approx(0.9046728, abs=1e-6)


def test_the_compiler_gets_lists_and_no_shell(folder: Path) -> None:
    """What an audit hook sees of a build in a fresh process: compilers started from lists, nothing else."""
    code = f"""
import sys
seen = []
starts = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")
sys.addaudithook(lambda event, arguments: seen.append((event, arguments)) if event in starts else None)
from npde.native.build import load
load({ADD!r}, name="$(touch x); `id`")
for event, arguments in seen:
    print(event, repr(arguments[0]), [a for a in arguments[1] if "touch" in a])
"""
    out, err = python(code, cwd=folder).communicate()
    assert not err
    assert out.splitlines()
    assert set(out.splitlines()) == {f"subprocess.Popen {REAL!r} []"}
    assert not (folder / "x").exists()


def test_the_builder_needs_no_torch() -> None:
    code = f"{BUILD}; import sys; print(sorted({{'torch', 'numpy', 'sympy'}} & set(sys.modules)))"
    assert python(code).communicate()[0].split("\n")[1] == "[]"


# --- flags ------------------------------------------------------------------------------------------------------------


def test_a_flag_that_is_not_taken_is_left_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(folder, monkeypatch, 'case "$*" in *-march=native*) exit 1;; *) exec {cc} "$@";; esac')
    flags = toolchain().flags
    assert "-march=native" not in flags
    assert "-O3" in flags
    assert load(ADD, name="add").add(2, 3) == 5


def test_without_openmp_kernels_are_built_for_one_core(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(folder, monkeypatch, 'for a; do [ "$a" = -fopenmp ] && exit 1; done; exec {cc} "$@"')
    assert not toolchain().has_threads
    assert "-fopenmp-simd" in toolchain().flags
    assert load(ADD, name="add").threads() == 0


def test_an_openmp_that_cannot_be_loaded_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler may take `-fopenmp` where its library is missing at run time."""
    body = (
        'for a; do [ "$a" = -fopenmp ] && set -- "$@" -Wl,--no-as-needed -L{here} -l:nowhere.so; done; exec {cc} "$@"'
    )
    empty = folder / "empty.c"
    empty.write_text("int nothing;")
    subprocess.run([REAL, "-shared", "-o", folder / "nowhere.so", empty, "-Wl,-soname,nowhere.so"], check=True)
    script(folder, monkeypatch, body)
    assert not toolchain().has_threads
    assert load(ADD, name="add").threads() == 0


def test_what_is_wrong_with_every_flag_is_the_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(folder, monkeypatch, "case $1 in --version) echo broken 1.0;; *) echo no licence found >&2; exit 3;; esac")
    with pytest.raises(CompilerError, match="'wrapped' failed") as caught:
        load(ADD, name="add")
    assert caught.value.output == "no licence found"
    assert entries(folder) == []


def test_a_source_that_is_refused_shows_the_compilers_words(folder: Path) -> None:
    with pytest.raises(CompilerError, match="failed") as caught:
        load("int f(void) { return }", name="f")
    assert "error" in caught.value.output
    assert entries(folder) == []
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_compiler_that_writes_nothing_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(folder, monkeypatch, "exit 0")
    with pytest.raises(CompilerError, match="wrote no shared object"):
        load(ADD, name="add")


def test_a_compiler_that_does_not_end_is_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(folder, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(compiler, "SECONDS", 0.2)
    with pytest.raises(CompilerError, match="did not end"):
        load(ADD, name="add")


def test_a_compiler_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -O2")
    with pytest.raises(NoCompilerError, match="'no-such-compiler', which is not there"):
        load(ADD, name="add")
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(compiler, "find_spec", lambda _: None)
    with pytest.raises(NoCompilerError, match="No C compiler was found"):
        load(ADD, name="add")


def test_the_compiler_of_the_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed")
    monkeypatch.setenv("PATH", "/nowhere")
    assert toolchain().command[1] == "cc"
    assert load(ADD, name="add").add(2, 3) == 5


# --- the cache --------------------------------------------------------------------------------------------------------


def test_twenty_processes_build_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(folder, monkeypatch, 'case "$*" in *kernel.c*) echo run >> {here}/log; sleep 0.5;; esac; exec {cc} "$@"')
    toolchain()
    running = [python(BUILD) for _ in range(20)]
    assert [(p.communicate()[0].strip(), p.returncode) for p in running] == [("5", 0)] * 20
    (entry,) = entries(folder)
    assert cache.is_good(entry)
    assert (folder / "log").read_text().count("run") == 1
    assert list((folder / "cache/kernels").glob(".*.part")) == []


def test_processes_that_cannot_lock_leave_one_good_entry(folder: Path) -> None:
    code = f"from npde.native import cache; cache._wait = lambda handle, until: False; {BUILD}"
    running = [python(code) for _ in range(6)]
    assert [p.communicate()[0].strip() for p in running] == ["5"] * 6
    (entry,) = entries(folder)
    assert cache.is_good(entry)
    assert list((folder / "cache/kernels").glob(".*.part")) == []


def test_who_waits_too_long_for_a_lock_goes_on(folder: Path) -> None:
    store = cache.locate()
    with store.lock("ab") as first, store.lock("ab", patience=0.1) as second, store.lock("cd") as third:
        assert (first, second, third) == (True, False, True)


def test_a_killed_build_leaves_nothing_that_is_taken_for_good(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = """
        if [ -e {here}/trap ]; then
            echo half > kernel.so; touch {here}/reached; exec sleep 60
        fi
        exec {cc} "$@"
    """
    script(folder, monkeypatch, body)
    toolchain()
    (folder / "trap").touch()
    victim = python(BUILD, start_new_session=True)
    while not (folder / "reached").exists():
        assert victim.poll() is None
    os.killpg(victim.pid, 9)
    victim.communicate()
    (left,) = (folder / "cache/kernels").glob(".*.part")
    assert (left / "kernel.so").read_text() == "half\n"
    assert entries(folder) == []

    (folder / "trap").unlink()
    assert load(ADD, name="add").add(2, 3) == 5
    assert left.exists(), "a build that may still run is left alone"
    os.utime(left, (0, 0))
    load(ADD + "\n", name="add")
    assert not left.exists()


def test_a_torn_entry_is_built_anew(folder: Path) -> None:
    load("int f(void) { return 1; }", name="f")
    (entry,) = entries(folder)
    whole = (entry / "kernel.so").read_bytes()
    (entry / "kernel.so").unlink()  # a file that is mapped must not be cut short under the process
    (entry / "kernel.so").write_bytes(whole[: len(whole) // 2])
    path = built("int f(void) { return 1; }", name="f")
    assert path.read_bytes() == whole


@pytest.mark.parametrize("broken", ["built.json", "kernel.so"])
def test_half_an_entry_is_built_anew(folder: Path, broken: str) -> None:
    built(ADD, name="add")
    (entry,) = entries(folder)
    (entry / broken).unlink()
    assert load(ADD, name="add").add(2, 3) == 5


def test_an_entry_that_cannot_be_loaded_is_built_anew(folder: Path) -> None:
    """As where two machines share a home: it is whole, and asks for a library that is not here."""
    path = built(ADD, name="add")
    empty = folder / "empty.c"
    empty.write_text("int nothing;")
    subprocess.run([REAL, "-shared", "-o", folder / "gone.so", empty, "-Wl,-soname,gone.so"], check=True)
    command = [REAL, "-shared", "-o", path, empty, "-Wl,--no-as-needed", f"-L{folder}", "-l:gone.so"]
    subprocess.run(command, check=True)
    (folder / "gone.so").unlink()
    cache.describe(path.parent)
    assert cache.is_good(path.parent)
    assert load(ADD, name="add").add(2, 3) == 5


@pytest.mark.parametrize("where", ["below a file", "read-only", "open to others"])
def test_a_folder_that_cannot_be_used_is_replaced_by_a_private_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.delenv("NPDE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "home"))
    if where == "below a file":
        (folder / "home").write_text("")
    elif where == "read-only":
        if os.getuid() == 0:
            pytest.skip("root may write everywhere")
        (folder / "home").mkdir(mode=0o500)
    else:
        (folder / "home/npde/kernels").mkdir(parents=True)
        (folder / "home/npde/kernels").chmod(0o777)
    code = f"{BUILD}; from npde.native.cache import locate; print(locate().folder, locate().note, sep='|')"
    out, err = python(code).communicate()
    assert not err
    answer, place = out.splitlines()
    used, _, note = place.partition("|")
    assert answer == "5"
    assert "a temporary folder is used" in note
    assert not Path(used).exists(), "it goes with the process"
    assert not Path(used).is_relative_to(folder / "home")


def test_the_cache_lies_where_the_platform_wants_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = {"HOME": str(folder)}
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr(cache.sys, "platform", "linux")
    assert cache.locate({**home, "NPDE_CACHE": str(folder / "mine")}).folder == folder / "mine/kernels"
    assert cache.locate({**home, "XDG_CACHE_HOME": str(folder / "xdg")}).folder == folder / "xdg/npde/kernels"
    assert cache.locate({**home, "XDG_CACHE_HOME": "relative"}).folder == folder / ".cache/npde/kernels"
    assert cache.locate(home).folder == folder / ".cache/npde/kernels"
    monkeypatch.setattr(cache.sys, "platform", "darwin")
    assert cache.locate(home).folder == folder / "Library/Caches/npde/kernels"


def test_a_full_disk_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    toolchain()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "describe", full)
    with pytest.raises(CompilerError, match="no space left"):
        load(ADD, name="add")


def test_doctor_counts_what_is_kept(folder: Path) -> None:
    from npde.cli.commands import doctor

    built(ADD, name="add")
    found = doctor.examination()["native"]
    assert found["cache"] == {
        "folder": str(folder / "cache/kernels"),
        "note": "",
        "kernels": 1,
        "bytes": found["cache"]["bytes"],
    }
    assert found["cache"]["bytes"] > 1000
    assert found["flags"] == list(toolchain().flags)
    assert doctor.text(doctor.examination()).count(" 1 in ") == 1
    gone = folder / "cache/kernels/.other.part"  # files of a build that ends while they are counted
    gone.mkdir()
    (gone / "kernel.c").symlink_to(folder / "nowhere")
    assert doctor.examination()["native"]["cache"] == found["cache"]


def test_doctor_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from npde.cli.commands import doctor

    monkeypatch.setenv("CC", "no-such-compiler")
    assert "no-such-compiler" in doctor.text(doctor.examination())
    assert doctor.examination()["native"]["command"] is None
