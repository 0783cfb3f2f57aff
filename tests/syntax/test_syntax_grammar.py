"""The grammar is free of conflicts, the tables are its own, and lark's parser agrees with the one that runs on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lark import UnexpectedInput

from npde.diagnostics import Collector, InternalError
from npde.source import Source
from npde.syntax import generate, grammar, layout, lexer, machine, tables
from npde.syntax.build import ACTIONS
from npde.syntax.refuse import Refused

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.npde"))

WRONG = [
    "dt(u) = = 1", "let = 2", "field u", "let a = 1 2", "grid x 3", "march rk4 steps: 1", "let a = (1 < 2)", "boundary",
    "boundary x = 0: u", "learn D = 1 in [0]", "coordinates x", "let a = 2^", "learn K stencil = lap", "a = b = c",
    "output y", "initial u", "order", "input s(t) = 1", "solve", "model", "let a = f(1 < 2 < 3)", "u = Δ", "let a = -",
]  # fmt: skip


@pytest.fixture(scope="module")
def lark_parser() -> Any:
    return generate.lark_parser(grammar.grammar_text())


def test_no_conflicts_in_strict_mode() -> None:
    generate.lark_parser(grammar.grammar_text(), strict=True)


def test_strict_mode_sees_conflicts() -> None:
    ambiguous = grammar.grammar_text().replace('"^" signed ', '"^" expr ', 1)
    with pytest.raises(Exception, match=r"[Cc]onflict"):
        generate.lark_parser(ambiguous, strict=True)


def test_the_generated_tables_are_those_of_the_grammar() -> None:
    assert json.loads(tables.GENERATED.read_text()) == generate.tables_of(grammar.grammar_text())


@pytest.mark.parametrize("seed", ["0", "1"])
def test_tables_do_not_depend_on_the_hash_seed(seed: str) -> None:
    code = "import json; from npde.syntax import generate as g, grammar; print(json.dumps(g.tables_of(grammar.grammar_text())))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
    )
    assert json.loads(run.stdout) == json.loads(tables.GENERATED.read_text())


def test_a_newer_grammar_is_read_by_lark(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = grammar.grammar_text().replace('network: "network" NAME', 'network: "netz" NAME')
    monkeypatch.setattr(tables, "grammar_text", lambda: newer)
    made = tables.load.__wrapped__()
    assert "netz" in made.words
    assert "network" not in made.words


def test_the_grammar_may_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(grammar, "PLACES", (tmp_path / "npde.lark",))
    with pytest.raises(InternalError, match="missing"):
        grammar.grammar_text()


@pytest.mark.parametrize("has_tables", [True, False])
def test_a_copy_without_the_checkout_parses(tmp_path: Path, has_tables: bool) -> None:
    """As a wheel lays it out: the grammar inside the package, nothing beside it."""
    shutil.copytree(ROOT / "npde", tmp_path / "npde", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "npde" / "_grammar").mkdir()
    shutil.copy(ROOT / "grammar" / "npde.lark", tmp_path / "npde" / "_grammar")
    if not has_tables:
        (tmp_path / "npde" / "syntax" / "_tables.json").unlink()
    code = "import npde.syntax as s, npde.source as o; print(s.__file__, len(s.parse(o.Source('a', 'u = 1\\nv = 2')).statements))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert run.stdout.split() == [str(tmp_path / "npde" / "syntax" / "__init__.py"), "2"]


def test_lark_is_not_imported_to_parse() -> None:
    code = (
        "import sys, npde.syntax as s, npde.source as o; s.parse(o.Source('a', 'u = 1')); print('lark' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_lark_reads_the_same_tokens_and_statements(path: Path, lark_parser: Any) -> None:
    source = Source(path.name, path.read_text(encoding="utf-8"))
    ours = lexer.tokens(source, tables.load(), Collector(source))
    theirs = list(lark_parser.lex(source.text))
    assert [(t.start, t.stop, t.text) for t in ours] == [(t.start_pos, t.end_pos, str(t)) for t in theirs]
    for line in layout.statements(ours):
        lark_parser.parse(source.text[line[0].start : line[-1].stop].replace("\n", " "), start=tables.START)


@pytest.mark.parametrize("text", WRONG)
def test_both_refuse_the_same(text: str, lark_parser: Any) -> None:
    made, source = tables.load(), Source("wrong", text)
    with pytest.raises(UnexpectedInput):
        lark_parser.parse(text, start=tables.START)
    with pytest.raises(machine.Stuck):
        machine.run(made, lexer.tokens(source, made, Collector(source)), ACTIONS)


def test_every_rule_has_an_action() -> None:
    named = {rule.action for rule in tables.load().rules if rule.action not in {"", "*", "file"}}
    assert named == set(ACTIONS)


def test_the_expected_tokens_can_follow() -> None:
    made, source = tables.load(), Source("wrong", "let a = f(")
    tokens = lexer.tokens(source, made, Collector(source))
    with pytest.raises(machine.Stuck) as stuck:
        machine.run(made, tokens, ACTIONS)
    assert stuck.value.index == len(tokens)
    assert {"NAME", "NUMBER", "STRING", "(", ")", "[", "-", "PREFIX"} <= set(stuck.value.expected)
    assert not {"=", "*", "$END", "]"} & set(stuck.value.expected)


def test_refusals_are_raised_from_actions() -> None:
    made, source = tables.load(), Source("wrong", "u = ∇·D∇u")
    with pytest.raises(Refused):
        machine.run(made, lexer.tokens(source, made, Collector(source)), ACTIONS)
