"""The documentation is tested: models compile, parts parse, Python runs, commands print what is shown, links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from npde import syntax
from npde.diagnostics import DiagnosticError
from npde.driver import Compilation
from npde.source import Source

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it starts, its language, its text."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(language: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1].strip() == language:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(page.relative_to(ROOT).as_posix(), line, language, match[2]))
    return found


def named(found: list[Block]) -> dict[str, object]:
    return {"argvalues": found, "ids": [str(b) for b in found]}


@pytest.mark.parametrize("block", **named(blocks("npde")))  # type: ignore[arg-type]
def test_models_compile(block: Block) -> None:
    made = Compilation(Source(str(block), block.text))
    assert made.source.startswith('"""')


@pytest.mark.parametrize("block", **named(blocks("npde-part")))  # type: ignore[arg-type]
def test_parts_parse(block: Block) -> None:
    """Statements out of a file that is not shown: each is a statement of the language."""
    assert syntax.parse(Source(str(block), block.text)).statements


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.npde")), ids=lambda p: p.stem)
def test_examples_compile_or_say_what_is_missing(path: Path) -> None:
    made = Compilation(Source(path.name, path.read_text(encoding="utf-8")))
    assert made.problem.name == path.stem
    try:
        made.source  # noqa: B018 - the last stage
    except DiagnosticError as error:
        assert {d.code[:3] for d in error.diagnostics} == {"N09"}, error


def test_every_example_is_in_the_gallery() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [p.name for p in sorted((ROOT / "examples").glob("*.npde")) if f"examples/{p.name}" not in readme]
    assert missing == []


def session(page: str, folder: Path) -> Path:
    """A folder to follow a page in: empty for the README, which starts from nothing; else with the examples, and with
    `typo.npde`, in which a letter is wrong. The command `npde` is on its path."""
    shim = folder / "bin" / "npde"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W error -m npde "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    if page != "README.md":
        for path in (ROOT / "examples").glob("*.npde"):
            shutil.copy(path, folder)
        fisher = (folder / "fisher.npde").read_text(encoding="utf-8")
        (folder / "typo.npde").write_text(fisher.replace("(1 - u)", "(1 - w)"), encoding="utf-8")
    return folder


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    own = {
        "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "100",
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **own}, capture_output=True, text=True, timeout=300, check=False
    )


def commands(text: str) -> list[tuple[str, list[str]]]:
    """`$ command` and the lines it printed."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:].strip(), []))
        elif found:
            found[-1][1].append(line)
    return found


NUMBER = re.compile(r"(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)")


def alike(shown: str, printed: str) -> bool:
    """The same words; numbers to five percent, times (`12.5 s`) not at all."""
    ours, theirs = NUMBER.split(shown.rstrip()), NUMBER.split(printed.rstrip())
    if ours[::2] != theirs[::2]:
        return False
    for k in range(1, len(ours), 2):
        is_time = re.match(r" s\b", ours[k + 1]) is not None
        a, b = float(ours[k]), float(theirs[k])
        if not is_time and abs(a - b) > 0.05 * max(abs(a), abs(b)):
            return False
    return True


def matches(shown: list[str], printed: list[str]) -> bool:
    """Line by line; a line `...` stands for any lines."""
    if not shown:
        return not printed
    if shown[0].strip() == "...":
        return any(matches(shown[1:], printed[k:]) for k in range(len(printed) + 1))
    return bool(printed) and alike(shown[0], printed[0]) and matches(shown[1:], printed[1:])


def pages_to_follow() -> list[str]:
    shown = {b.page for b in blocks("console") if any("npde " in c for c, _ in commands(b.text))}
    return sorted(shown | {b.page for b in blocks("python")})


@pytest.mark.parametrize("page", pages_to_follow())
def test_a_reader_can_follow(page: str, tmp_path: Path) -> None:
    """The commands of a page, in order, print what it shows; then its Python runs in the same folder."""
    folder = session(page, tmp_path)
    for block in (b for b in blocks("console") if b.page == page):
        for command, shown in commands(block.text):
            done = run(["sh", "-c", command], folder)
            while shown and not shown[-1].strip():
                shown.pop()
            printed = done.stdout.rstrip("\n").splitlines()
            assert matches(shown, printed), f"{block}: $ {command}\n{done.stdout}{done.stderr}"
            assert "Traceback" not in done.stderr, done.stderr
    code = "\n".join(b.text for b in blocks("python") if b.page == page)
    done = run([sys.executable, "-W", "error", "-c", code], folder)
    assert done.returncode == 0, done.stderr


def test_the_emitted_code_that_is_shown_is_what_is_emitted() -> None:
    fisher = (ROOT / "examples" / "fisher.npde").read_text(encoding="utf-8")
    source = Compilation(Source("fisher.npde", fisher)).source
    (shown,) = [b for b in blocks("py") if b.page == "README.md"]
    assert shown.text.rstrip() in source


def test_the_model_that_is_shown_is_the_example() -> None:
    fisher = (ROOT / "examples" / "fisher.npde").read_text(encoding="utf-8")
    assert fisher in [b.text for b in blocks("npde") if b.page == "README.md"]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as the usual readers of Markdown make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))
    for target in re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text):
        link = target[0] or target[1]
        if re.match(r"[a-z]+://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name}: {link}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{page.name}: {link}"


def test_the_matcher_of_outputs_can_fail() -> None:
    assert matches(["a", "...", "z"], ["a", "b", "c", "z"])
    assert matches(["done in 12.5 s, loss 5.27e-06"], ["done in 3 s, loss 5.26e-06"])
    assert not matches(["loss 5.27e-06"], ["loss 6.27e-06"])
    assert not matches(["a"], ["b"])
    assert not matches(["a"], ["a", "b"])
    assert not matches(["a", "b"], ["a"])
    assert not matches(["a", "..."], ["b", "a"])
