"""The C compiler of this machine and the flags it takes.

`$CC` is asked first, then `cc`, `gcc` and `clang` on the path, last the `ziglang` wheel (`pip install 'npde[native]'`). A
program that includes `omp.h` is built and loaded with each flag that npde would like; what is not taken is left out. Nothing
goes through a shell, and nothing of a user's text reaches an argument list.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from npde.diagnostics import NpdeError

NAMES = ("cc", "gcc", "clang")

BASE = ("-std=gnu11", "-shared", *(() if sys.platform == "win32" else ("-fPIC",)))
"""What every build needs."""

WANTED = (
    "-O3", "-march=native", "-mtune=icelake-server", "-mprefer-vector-width=512", "-fno-math-errno", "-fno-trapping-math",
)  # fmt: skip
"""Asked for one by one. The tuning keeps values that a cell uses several times in registers; with that of some processors GCC loads
them from memory each time. Neither of the last two changes a value; they let loops with roots and comparisons become vectors."""

THREADS = ("-fopenmp", "-fopenmp-simd")
"""Threads and vectors; vectors alone, where there is no OpenMP library."""

PROBE = """#include <math.h>
#ifdef _OPENMP
#include <omp.h>
#endif
int npde_probe(int n, float *x) {
#ifdef _OPENMP
    if (n < 0) return omp_get_max_threads();
#endif
    #pragma omp parallel for
    for (int i = 0; i < n; i++) x[i] = sqrtf(x[i]);
    return n;
}
"""

SECONDS = 300
"""A compiler that takes longer is stopped."""


class CompilerError(NpdeError):
    """No native code can be made here; the message says why, `output` holds the compiler's own words."""

    def __init__(self, message: str, output: str = ""):
        self.output = output
        super().__init__(f"{message}\n{output}" if output else message)
        self.reason = message

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.output)


class NoCompilerError(CompilerError):
    """There is no C compiler."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A command that compiles C, what it calls itself, and the flags it takes."""

    command: tuple[str, ...]
    version: str
    flags: tuple[str, ...]

    @property
    def has_threads(self) -> bool:
        """Whether kernels run on several cores."""
        return "-fopenmp" in self.flags

    def build(self, source: Path, target: Path, more: tuple[str, ...] = ()) -> None:
        """A shared object of one C file.

        Raises:
            CompilerError: the compiler refused, with its words.
        """
        run(self.command, (*self.flags, *more, source.name, "-o", target.name, "-lm"), source.parent)
        if not target.is_file():
            raise CompilerError(f"'{self.command[0]}' succeeded, but wrote no shared object.")


def find(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The command of the compiler, its program as a full path.

    Raises:
        NoCompilerError: there is none, or `$CC` names one that is not there.
    """
    path = environment.get("PATH")
    asked = environment.get("CC", "").strip()
    if asked:
        program, *arguments = _words(asked)
        found = shutil.which(program, path=path)
        if found is None:
            raise NoCompilerError(f"The environment variable CC asks for '{program}', which is not there.")
        return (found, *arguments)
    for name in NAMES:
        if found := shutil.which(name, path=path):
            return (found,)
    if zig := _zig():
        return (str(zig), "cc")
    raise NoCompilerError("No C compiler was found; install one, or the one that comes by `pip install ziglang`.")


def identity(command: tuple[str, ...]) -> list[str]:
    """What changes when the compiler is replaced, read without starting it: each program's path, size and time."""
    found = list(command)
    for word in command:
        program = shutil.which(word)
        if program is not None:
            real = Path(program).resolve()
            status = real.stat()
            found.append(f"{real} {status.st_size} {status.st_mtime_ns}")
    return found


def processor() -> str:
    """What `-march=native` depends on."""
    names = ("vendor_id", "cpu family", "model", "model name", "flags", "Features", "CPU part")
    found: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in names:
                found.setdefault(key.strip(), value.strip())
    except OSError:
        found["name"] = platform.processor()
    return f"{sys.platform} {platform.machine()} {sorted(found.items())}"


def probe(command: tuple[str, ...], folder: Path) -> Compiler:
    """The compiler with all flags that it takes; `folder` is for scratch files.

    Raises:
        CompilerError: it makes no shared object that can be loaded, whatever the flags.
    """
    version = run(command, ("--version",), folder).partition("\n")[0].strip()
    source = folder / "probe.c"
    source.write_text(PROBE, encoding="ascii")
    for threads in THREADS:  # nearly every compiler takes all of them
        if _works(command, (*BASE, *WANTED, threads), source):
            return Compiler(command, version, (*BASE, *WANTED, threads))
    _try(command, BASE, source)
    flags = BASE
    for wanted in (*WANTED, *THREADS):
        if _works(command, (*flags, wanted), source):
            flags = (*flags, wanted)
    return Compiler(command, version, flags)


def run(command: tuple[str, ...], arguments: tuple[str, ...], folder: Path) -> str:
    """What the compiler prints.

    Raises:
        CompilerError: it cannot be started, fails, or does not end.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            [*command, *arguments],
            cwd=folder,
            env=_environment(folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except OSError as error:
        raise CompilerError(f"The C compiler '{name}' cannot be started: {error.strerror or error}.") from error
    except subprocess.TimeoutExpired as error:
        raise CompilerError(f"The C compiler '{name}' did not end within {SECONDS} s.") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[:4000]
        how = f"was stopped by signal {-done.returncode}" if done.returncode < 0 else "failed"
        raise CompilerError(f"The C compiler '{name}' {how}.", said)
    return done.stdout


def _words(text: str) -> list[str]:
    """`$CC` may hold arguments, as make allows: `ccache gcc`."""
    try:
        return shlex.split(text) or [text]
    except ValueError:
        return [text]


def _zig() -> Path | None:
    """The compiler of the `ziglang` wheel, which is not imported for it."""
    spec = find_spec("ziglang")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for name in ("zig", "zig.exe"):
            if (Path(folder) / name).is_file():
                return Path(folder) / name
    return None


def _environment(folder: Path) -> dict[str, str]:
    """English messages; temporary files beside the source, and zig's caches beside the kernels: homes can be read-only."""
    zig = os.environ.get("ZIG_GLOBAL_CACHE_DIR") or str(folder.parent / "zig")
    return {**os.environ, "LC_ALL": "C", "TMPDIR": str(folder), "ZIG_GLOBAL_CACHE_DIR": zig, "ZIG_LOCAL_CACHE_DIR": zig}


def _works(command: tuple[str, ...], flags: tuple[str, ...], source: Path) -> bool:
    try:
        _try(command, flags, source)
    except CompilerError:
        return False
    return True


def _try(command: tuple[str, ...], flags: tuple[str, ...], source: Path) -> None:
    """Builds and loads the probe; it is not called, so no instruction of it runs."""
    target = source.with_name(f"probe{len(list(source.parent.iterdir()))}.so")  # a name loads once a process
    Compiler(command, "", flags).build(source, target)
    try:
        ctypes.CDLL(str(target))
    except OSError as error:
        raise CompilerError(
            f"What the C compiler '{Path(command[0]).name}' makes cannot be loaded: {error}."
        ) from error
