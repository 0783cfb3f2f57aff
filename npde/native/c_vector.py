"""Innermost loops over whole cache lines, in GCC's vector types.

A compiler reads `u[j - 1]` of sixteen neighbours as one unaligned vector, which crosses a cache line and costs two loads. Rows
start at cache lines, so the neighbours are shifted out of aligned vectors instead: on AVX-512 the loop of a five-point stencil then
runs half as fast again (decision 51). Each line of a row is loaded once: a loop keeps it while it is the one after, the one here
and the one before (decision 57). Only sums, products and quotients are written so: GCC's C has no other operations on vectors.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

VECTORS = """
/* A cache line of numbers; rows of cells start at cache lines. Of a row u that is looked at sideways a loop holds u_before, u_here
 * and u_after, the lines around j; BEFORE and AFTER are the numbers n to the left and to the right. `put_leading` stores the first
 * n of a line, `leading` keeps these and makes the others 0. */
typedef T V __attribute__((vector_size(64)));
typedef T Unaligned __attribute__((vector_size(64), aligned(sizeof(T))));
#define LANES ((long)(64 / sizeof(T)))
static inline V at(const T *p) { return *(const V *)p; }
static inline void put(T *p, V v) { *(V *)p = v; }
static inline void put_leading(T *p, V v, int n) { memcpy(p, &v, n * sizeof(T)); }
static inline V leading(V v, int n) { for (long k = n; k < LANES; ++k) v[k] = 0; return v; }
static inline T total(V v) { T s = 0; for (long k = 0; k < LANES; ++k) s += v[k]; return s; }
#define FETCH(p) __builtin_prefetch((p), 0, 2) /* into the second cache */
#ifdef __AVX512F__
#include <immintrin.h>
#define SHIFTED(low, high, n) ((V)_mm512_alignr_epi@BITS@((__m512i)(high), (__m512i)(low), (n)))
#define BEFORE(u, n) SHIFTED(u##_before, u##_here, (int)LANES - (n))
#define AFTER(u, n) SHIFTED(u##_here, u##_after, n)
#else
#define BEFORE(u, n) ((V)*(const Unaligned *)(u + j - (n)))
#define AFTER(u, n) ((V)*(const Unaligned *)(u + j + (n)))
#endif
"""

LIBRARY = """
/* glibc has these for whole vectors, to 4 units in the last place: a loop that calls them becomes one of vectors. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 35)
@DECLARED@
#endif
#endif
"""
FUNCTIONS = ("exp", "log", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "erf")

READ = re.compile(r"(\w+)\[j(?: ([+-]) (\d+))?\]")
NAME = re.compile(r"\b[A-Za-z_]\w*\b")
CALL = re.compile(r"\b([A-Za-z_]\w*)\(")
DECLARED = re.compile(r"const T (\w+) = (.*);")
STORED = re.compile(r"(\w+)\[j\] (\+?=) (.*);")
SUMMED = re.compile(r"(\w+) \+= (.*);")


def vectors(real: str) -> str:
    """The types, reads and functions that vector loops use, for a file."""
    suffix = "f" if real == "float" else ""
    declared = [f"#pragma omp declare simd notinbranch\nextern {real} {f}{suffix}({real});" for f in FUNCTIONS]
    lines = VECTORS.replace("@BITS@", "32" if real == "float" else "64")
    return lines + LIBRARY.replace("@DECLARED@", "\n".join(declared))


def vector_body(body: Sequence[str], sums: Sequence[str], lanes: int, count: int = 0) -> list[str] | None:
    """The statements of a loop over j, for a cache line at once; None where they are more than arithmetic.

    Args:
        body: `const T name = …;`, `row[j] = …;`, `row[j] += …;`, or `sum += …;`.
        sums: the names that are summed into; in the loop they are vectors `name_lanes`.
        lanes: numbers of a line.
        count: of these, how many count (0: all).
    """
    if any(int(by or 0) > lanes for line in body for _, _, by in READ.findall(line)):
        return None
    rows = set(sideways(body))
    put = "put({row} + j, {text});" if not count else f"put_leading({{row}} + j, {{text}}, {count});"
    found: list[str] = []
    wide: set[str] = set()
    for line in body:
        if "?" in line or any(not c.startswith("power_") for c in CALL.findall(line)):
            return None
        if declared := DECLARED.fullmatch(line):
            name, text = declared.groups()
            if not _is_wide(text, wide):
                found.append(line)
                continue
            wide.add(name)
            found.append(f"const V {name} = {_read(text, rows)};")
        elif stored := STORED.fullmatch(line):
            row, how, text = stored.groups()
            if not _is_wide(text, wide):
                return None
            before = f"at({row} + j) + " if how == "+=" else ""
            found.append(put.format(row=row, text=before + _read(text, rows)))
        elif (summed := SUMMED.fullmatch(line)) and summed[1] in sums:
            if not _is_wide(summed[2], wide):
                return None
            term = _read(summed[2], rows)
            found.append(f"{summed[1]}_lanes += {f'leading({term}, {count})' if count else term};")
        else:
            return None
    return found


def _is_wide(text: str, wide: set[str]) -> bool:
    return bool(READ.search(text)) or any(name in wide for name in NAME.findall(text))


def sideways(body: Iterable[str]) -> dict[str, str]:
    """The rows that are read left ("-") or right ("+") of j, or both ("-+")."""
    found: dict[str, str] = {}
    for line in body:
        for row, sign, _ in READ.findall(line):
            if sign and sign not in found.get(row, ""):
                found[row] = "".join(sorted(found.get(row, "") + sign, reverse=True))
    return found


@dataclass(frozen=True)
class Lines:
    """How the lines around j of rows that are read sideways get into variables: statements `ahead` of a loop over j from `start`
    on, at the `head` of its body and at its `end`; `alone`, where there is no loop."""

    ahead: tuple[str, ...]
    head: tuple[str, ...]
    end: tuple[str, ...]
    alone: tuple[str, ...]


def lines_around(body: Iterable[str], start: str) -> Lines:
    """Loads of the rows that a body reads sideways, one a row and line."""
    ahead, head, end, alone = [], [], [], []
    plus = "" if start == "0" else f" + {start}"
    for row, signs in sideways(body).items():
        if "-" in signs:
            ahead.append(f"V {row}_before = at({row}{plus} - LANES);")
            alone.append(f"const V {row}_before = at({row} + j - LANES);")
            end.append(f"{row}_before = {row}_here;")
        alone.append(f"const V {row}_here = at({row} + j);")
        if "+" in signs:
            ahead.append(f"V {row}_here = at({row}{plus});")
            head.append(f"const V {row}_after = at({row} + j + LANES);")
            alone.append(f"const V {row}_after = at({row} + j + LANES);")
            end.append(f"{row}_here = {row}_after;")
        else:
            head.append(f"const V {row}_here = at({row} + j);")
    return Lines(tuple(ahead), tuple(head), tuple(end), tuple(alone))


def _read(text: str, rows: Collection[str]) -> str:
    """Reads as vectors; of `rows` the lines around j are in variables."""

    def replaced(match: re.Match[str]) -> str:
        row, sign, by = match.groups()
        if sign is None:
            return f"{row}_here" if row in rows else f"at({row} + j)"
        return f"{'BEFORE' if sign == '-' else 'AFTER'}({row}, {by})"

    return re.sub(r"\bpower_(\d+)\(", r"vector_power_\1(", READ.sub(replaced, text))
