"""Measurements as a table and as pictures."""

from __future__ import annotations

import textwrap
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks._cases import Case


def row(case: Case, bandwidth: float, entry: Any) -> dict[str, Any]:
    """What is kept of one contestant in one case."""
    found = {
        "case": case.key,
        "title": case.title,
        "steps": case.steps,
        "points": case.points,
        "contestant": entry.name,
    }
    found |= {"bytes": case.bytes, "copy_gb_s": round(bandwidth / 1e9, 1), "missing": entry.missing}
    if entry.times is None:
        return found
    work = case.points * case.steps / 1e9
    return found | {
        "runs": len(entry.times.seconds),
        "median": work / entry.times.median,
        "best": work / entry.times.best,
        "error": entry.error,
        "prepared_s": round(entry.prepared, 2),
        "added_mb": None if entry.times.added is None else round(entry.times.added / 1e6, 1),
    }


def table(facts: dict[str, Any]) -> str:
    """Markdown: for each case the contestants' rates, their share of the copy roof, and how often native is as fast."""
    lines = [
        "# Kernels",
        "",
        f"{facts['machine']}, float32, torch {facts['torch']}, {facts['clock']} time, load {facts['load']}.",
        "",
        "Billions of grid-point steps a second: the median of the runs, and the best, which others on the machine disturbed least;",
        "ratios are of the best. `roof` is the best run against copying memory of the state's size with all threads; time blocking",
        "can pass it. `error` is against float64.",
        *([facts["note"]] if "note" in facts else []),
        "",
    ]
    for key, group in groupby(facts["rows"], lambda r: r["case"]):
        rows = list(group)
        native = next((r for r in rows if r["contestant"] == "npde native" and not r["missing"]), None)
        training = any(r.get("added_mb") is not None for r in rows)
        lines += [f"## {key}. {rows[0]['title']}, {rows[0]['steps']} steps", ""]
        roof, each = rows[0]["copy_gb_s"], rows[0]["bytes"]
        lines += [f"Copying: {roof} GB/s, so {roof / each:.1f} at {each} bytes a point.", ""]
        head = ["", "median", "best", "roof", "native is", "error", "ready after"] + ["added memory"] * training
        lines += ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        for r in rows:
            if r["missing"]:
                lines.append(f"| {r['contestant']} | {r['missing']} |" + " |" * (len(head) - 2))
                continue
            cells = [r["contestant"], _short(r["median"]), _short(r["best"])]
            cells.append(f"{100 * r['best'] * r['bytes'] / r['copy_gb_s']:.0f} %")
            cells.append(f"{native['best'] / r['best']:.2f} ×" if native else "")
            cells += [f"{r['error']:.0e}", f"{r['prepared_s']:.1f} s"]
            cells += [f"{r['added_mb']:.0f} MB" if r["added_mb"] is not None else "?"] * training
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def bars(facts: dict[str, Any], path: Path) -> None:
    """A picture of the table: a group of bars a case, on a logarithmic axis."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "npde"
    from matplotlib import pyplot

    rows = [r for r in facts["rows"] if not r["missing"]]
    keys = list(dict.fromkeys(r["case"] for r in rows))
    names = list(dict.fromkeys(r["contestant"] for r in rows))
    figure, axes = pyplot.subplots(figsize=(11, 4.5), layout="constrained")
    width = 0.85 / len(names)
    for n, name in enumerate(names):
        own = {r["case"]: r for r in rows if r["contestant"] == name}
        places = [k + (n - len(names) / 2) * width for k, key in enumerate(keys) if key in own]
        axes.bar(places, [own[k]["best"] for k in keys if k in own], width, label=name, color=f"C{n}", align="edge")
    axes.set_xticks(
        range(len(keys)),
        [textwrap.fill(next(r["title"] for r in rows if r["case"] == k), 13) for k in keys],
        fontsize=7,
    )
    axes.set_yscale("log")
    axes.set_ylabel("10⁹ grid-point steps a second")
    axes.legend(fontsize=7, ncols=5, loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
    axes.grid(axis="y", alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _short(rate: float) -> str:
    return f"{rate:.3f}" if rate < 1 else f"{rate:.2f}" if rate < 10 else f"{rate:.1f}"
