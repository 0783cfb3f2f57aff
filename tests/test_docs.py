"""The documentation is tested: models compile, parts parse, Python runs, commands print what is shown, links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
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


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """A folder with the examples, and with `typo.npde`, in which a letter is wrong."""
    for path in (ROOT / "examples").glob("*.npde"):
        shutil.copy(path, tmp_path)
    fisher = (tmp_path / "fisher.npde").read_text(encoding="utf-8")
    (tmp_path / "typo.npde").write_text(fisher.replace("(1 - u)", "(1 - w)"), encoding="utf-8")
    return tmp_path


def environment() -> dict[str, str]:
    own = {"PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "100"}
    return {**os.environ, **own}


@pytest.mark.parametrize("page", sorted({b.page for b in blocks("python")}))
def test_python_runs(page: str, workshop: Path) -> None:
    """The blocks of a page run one after the other, as a reader would type them."""
    code = "\n".join(b.text for b in blocks("python") if b.page == page)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=workshop, env=environment(), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def commands(text: str) -> list[tuple[str, list[str]]]:
    """`$ command` and the lines it printed."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:].partition("  #")[0].strip(), []))
        elif found:
            found[-1][1].append(line)
    return found


def matches(shown: list[str], printed: list[str]) -> bool:
    """Line by line; a line `...` stands for any lines, `…` within a line for anything."""
    pattern = "".join(
        r"(?:.*\n)*?" if line.strip() in ("...", "…") else re.escape(line.rstrip()).replace("…", ".*") + r"[ ]*\n"
        for line in shown
    )
    return re.fullmatch(pattern, "".join(f"{line.rstrip()}\n" for line in printed)) is not None


def shown_pages() -> list[str]:
    return sorted({b.page for b in blocks("console") if any(c.startswith("npde ") for c, _ in commands(b.text))})


@pytest.mark.parametrize("page", shown_pages())
def test_commands_print_what_is_shown(page: str, workshop: Path) -> None:
    for block in (b for b in blocks("console") if b.page == page):
        for command, shown in commands(block.text):
            words = shlex.split(command)
            if words[0] != "npde":
                continue
            done = subprocess.run(
                [sys.executable, "-m", *words], cwd=workshop, env=environment(), text=True, timeout=300,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            while shown and not shown[-1].strip():
                shown.pop()
            assert matches(shown, done.stdout.rstrip("\n").splitlines()), f"{block}: $ {command}\n{done.stdout}"


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as the usual readers of Markdown make them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", t.lower()).strip().replace(" ", "-") for t in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
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
    assert matches(["wrote … in … s"], ["wrote out.h5 in 0.2 s"])
    assert not matches(["a"], ["b"])
    assert not matches(["a"], ["a", "b"])
    assert not matches(["a", "..."], ["b", "a"])
