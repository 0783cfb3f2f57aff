"""Every format of every example: well-formed, deterministic, safe, and of one mind."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from view_examples import EXAMPLES, graph_of

from npde.diagnostics import DiagnosticError
from npde.driver import Compilation
from npde.graph import LayerGraph
from npde.graph.cost import costs
from npde.source import Source
from npde.view import FORMATS, render
from npde.view.theme import DARK, LIGHT

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def text_of(graph: LayerGraph, kind: Any) -> str:
    out = render(graph, kind)
    assert isinstance(out, str)
    return out


@pytest.mark.parametrize("name", EXAMPLES)
def test_text_has_eighty_columns(name: str) -> None:
    text = text_of(graph_of(name), "txt")
    assert max(map(len, text.splitlines())) <= 80
    assert name in text.splitlines()[0]
    assert text.endswith("\n")


@pytest.mark.parametrize("name", EXAMPLES)
def test_json_holds_the_whole_graph(name: str) -> None:
    graph = graph_of(name)
    data = json.loads(text_of(graph, "json"))
    assert data["format"] == "npde-graph/1"
    assert [b["name"] for b in data["blocks"]] == [b.name for b in graph.blocks]
    for block, shown in zip(graph.blocks, data["blocks"], strict=True):
        assert [n["name"] for n in shown["nodes"]] == [n.name for n in block.nodes]
        assert [n["inputs"] for n in shown["nodes"]] == [list(n.inputs) for n in block.nodes]
    assert data["totals"]["parameters"] == sum(p["count"] for p in data["learned"]) == costs(graph).parameters
    source = data["source"]
    for node in (n for b in data["blocks"] for n in b["nodes"] if n["span"]):
        line = source.splitlines()[node["span"]["line"] - 1]
        start = node["span"]["column"] - 1
        assert source[node["span"]["start"]] == line[start]


@pytest.mark.parametrize("name", EXAMPLES)
def test_svg_is_well_formed_and_says_what_the_picture_says(name: str) -> None:
    root = ElementTree.fromstring(text_of(graph_of(name), "svg"))
    assert root.tag == f"{SVG}svg"
    words = " ".join(t.text or "" for t in root.iter(f"{SVG}text"))
    assert name in words
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.attrib["x"]) <= width
        assert 0 <= float(text.attrib["y"]) <= height
    boxes = {g.attrib["data-box"] for g in root.iter(f"{SVG}g") if "data-box" in g.attrib}
    pictures = json.loads(text_of(graph_of(name), "json"))["pictures"]
    assert boxes == {b["id"] for p in pictures for b in every_box(p)}


def every_box(picture: dict[str, Any]) -> list[dict[str, Any]]:
    out = []
    for box in picture["boxes"]:
        out.append(box)
        if box["inside"]:
            out += every_box(box["inside"])
    return out


class Reader(HTMLParser):
    """Checks that elements nest, and collects what the page would load."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [v for k, v in attrs if k in ("src", "href", "action") and v]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_is_whole_and_loads_nothing(name: str) -> None:
    text = text_of(graph_of(name), "html")
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.loaded == []
    assert not re.search(r"@import|fetch\(|XMLHttpRequest|url\((?!#)", text)
    data = json.loads(re.search(r'id="graph">(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    rows = set(re.findall(r'<tr data-node="([^"]+)"', text))
    assert rows == {f"{b['name']}/{n['name']}" for b in data["blocks"] for n in b["nodes"]}
    assert text.count("<math") == len(data["equations"])


@pytest.mark.parametrize("name", EXAMPLES)
def test_dot_and_mermaid_declare_every_end_of_an_edge(name: str) -> None:
    dot = text_of(graph_of(name), "dot")
    quoted = r'"((?:[^"\\]|\\.)*)"'
    declared = set(re.findall(rf"^\s*{quoted} \[label", dot, re.M))
    ends = {e for pair in re.findall(rf"^\s*{quoted} -> {quoted}", dot, re.M) for e in pair}
    assert ends <= declared
    stripped = re.sub(quoted, "", dot)
    assert stripped.count("{") == stripped.count("}")

    mermaid = text_of(graph_of(name), "mmd")
    known = set(re.findall(r"^\s*(n\d+)[\[(]", mermaid, re.M)) | set(re.findall(r"subgraph (n\d+)", mermaid))
    used = {e for pair in re.findall(r"^\s*(n\d+) -->(?:\|.*?\|)? (n\d+)$", mermaid, re.M) for e in pair}
    assert used <= known
    assert mermaid.count("subgraph ") == len(re.findall(r"^\s*end$", mermaid, re.M))


@pytest.mark.parametrize("name", ["fisher", "variable_heat"])
def test_png_is_a_picture_and_the_same_every_time(name: str) -> None:
    first, second = render(graph_of(name), "png"), render(graph_of(name), "png")
    assert isinstance(first, bytes)
    assert first.startswith(b"\x89PNG\r\n\x1a\n")
    assert first == second


def test_output_does_not_depend_on_the_hash_seed() -> None:
    code = """
import hashlib, sys
sys.path.insert(0, "tests/view")
from view_examples import graph_of
from npde.view import render
digest = hashlib.sha256()
for name in ("gray_scott", "variable_heat", "rows"):
    for kind in ("txt", "json", "dot", "mmd", "svg", "html"):
        digest.update(render(graph_of(name), kind).encode())
print(digest.hexdigest())
"""

    def digest(seed: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        return done.stdout

    assert digest("1") == digest("2")


def test_onnx_says_that_it_is_not_there_yet() -> None:
    with pytest.raises(DiagnosticError) as caught:
        render(graph_of("fisher"), "onnx")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "N0900"
    assert "onnx" in diagnostic.message
    assert diagnostic.message.endswith("not supported yet.")


def test_an_unknown_format_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="'pdf'"):
        render(graph_of("fisher"), "pdf")  # type: ignore[arg-type]
    assert "onnx" in FORMATS


def test_the_users_words_are_never_markup() -> None:
    text = """model evil "</script><script>alert(1)</script> & <b>"
coordinates x in [0, 1], t in [0, 1]
field u(x, t)   # </pre><img src=x onerror=alert(1)>
dt(u) = dxx(u)
boundary periodic
initial u = sin(2*pi*x)
grid x: 16
march euler, steps: 1000
"""
    graph = Compilation(Source("evil.npde", text)).graph
    page = text_of(graph, "html")
    assert "<script>alert" not in page
    assert "<img" not in page
    assert page.count("</script>") == 2
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    ElementTree.fromstring(text_of(graph, "svg"))


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_on_every_fill(theme: dict[str, str]) -> None:
    def contrast(a: str, b: str) -> float:
        high, low = sorted((luminance(theme[a]), luminance(theme[b])), reverse=True)
        return (high + 0.05) / (low + 0.05)

    fills = [role for role in theme if role.endswith("-fill")]
    for fill in (*fills, "paper", "halo"):
        assert contrast("ink", fill) >= 4.5, fill
        assert contrast("muted", fill) >= 4.5, fill
        own = fill.replace("-fill", "-ink")
        if own != fill and own in theme:
            assert contrast(own, fill) >= 4.5, fill
        assert contrast("learned-ink", fill) >= 4.5, fill
