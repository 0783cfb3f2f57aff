"""Mutated examples: each gives a tree or coded diagnostics with spans, and none takes long."""

from __future__ import annotations

import random
import time

import pytest
from reliability_inputs import EXAMPLES, assert_well_formed, front_end

from npde.diagnostics import Collector
from npde.source import Source
from npde.syntax import format, lexer, parse, tables

SECONDS = 2.0
BYTES = [path.read_bytes() for path in EXAMPLES]
NASTY = [
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b"(", b")", b"[", b"]", b"'", b'"', b"#", b"^", b"**", b"=",
    b"==", b",", b":", b"\xe2\x88\x87", b"\xe2\x88\x82", b"\xce\x94", b"\xc2\xb2", b"1e999", b"9^9^9", b"in", b"learn",
    b"stencil", b"\xe2\x80\xae", b"\xd0\xb0", b"\\", b".", b"1.2.3", b"-", b"x'",
]  # fmt: skip
WORDS = [
    "0", "1", "2", "-1", "1e400", "0.5", "x", "y", "t", "u", "v", "x'", "pi", "i", "nan", "lap", "grad", "div", "curl", "dt",
    "dxx", "dn", "d", "integral", "mean", "where", "noise", "lift", "linear", "regions", "mlp", "adjoint", "K", "W", "(", ")",
    "[", "]", ",", ":", "=", "+", "-", "*", "/", "^", "@", "·", "×", "<", "==", "∇", "Δ", "∂t", "²", "\n", "model", "field",
    "let", "learn", "input", "output", "initial", "boundary", "grid", "order", "march", "solve", "network", "complex", "in",
    "stencil", "3x3", "moments", "along", "upwind", "periodic", "outflow", "absorbing", "auto", '"text"', "undeclared",
]  # fmt: skip


def mutated_bytes(rng: random.Random) -> bytes:
    """An example with one to six of its bytes or stretches changed."""
    data = bytearray(rng.choice(BYTES))
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(data) + 1)
        stop = min(len(data), place + rng.choice([1, 1, 1, 3, 10, 60]))
        match rng.randrange(6):
            case 0:
                data[place:stop] = b""
            case 1:
                data[place:place] = bytes([rng.randrange(256)])
            case 2:
                data[place:place] = rng.choice(NASTY)
            case 3:
                data[place:stop] = data[place:stop] * rng.choice([2, 3, 50])
            case 4:
                data[place : place + 1] = bytes([rng.randrange(256)])
            case _:
                other = rng.choice(BYTES)
                start = rng.randrange(len(other))
                data[place:place] = other[start : start + rng.choice([5, 40])]
    return bytes(data)


def _tokens() -> list[list[str]]:
    made = tables.load()
    found = []
    for data in BYTES:
        source = Source("example", data.decode())
        found.append([token.text for token in lexer.tokens(source, made, Collector(source))])
    return found


TOKENS = _tokens()


def mutated_tokens(rng: random.Random) -> bytes:
    """An example with one to four of its tokens removed, doubled, exchanged or replaced."""
    words = list(rng.choice(TOKENS))
    for _ in range(rng.randint(1, 4)):
        place, other = rng.randrange(len(words)), rng.randrange(len(words))
        match rng.randrange(5):
            case 0 if len(words) > 1:
                del words[place]
            case 1:
                words.insert(place, words[other])
            case 2:
                words[place], words[other] = words[other], words[place]
            case 3:
                words[place] = rng.choice(WORDS)
            case _:
                words.insert(place, rng.choice(WORDS))
    return " ".join(words).encode()


def check(data: bytes) -> bool:
    """Whether the front end copes with an input; true if it reads."""
    began = time.perf_counter()
    source, tree, found = front_end(data)
    assert time.perf_counter() - began < SECONDS
    assert tree is not None or found
    assert_well_formed(source, found)
    if tree is not None:
        text = format(tree)
        assert parse(Source("again", text)) == tree
        assert format(parse(Source("again", text))) == text
    return tree is not None


def run(seed: int, count: int) -> None:
    """Half of the inputs are mutated by bytes, half by tokens; some of either kind must read and some must not."""
    for mutate in (mutated_bytes, mutated_tokens):
        rng = random.Random(f"{seed} {mutate.__name__}")
        reads = 0
        for number in range(count // 2):
            data = mutate(rng)
            try:
                reads += check(data)
            except Exception as error:
                raise AssertionError(f"seed {seed}, {mutate.__name__} {number}: {data!r}") from error
        assert 0.01 * count < reads < 0.49 * count


def test_mutated_examples() -> None:
    run(seed=0, count=2_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_many_mutated_examples(seed: int) -> None:
    run(seed, count=2_000)
