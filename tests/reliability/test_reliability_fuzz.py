"""Mutated examples: each gives a tree or coded diagnostics with spans, and none takes long."""

from __future__ import annotations

import random
import re
import time

import pytest
from reliability_inputs import EXAMPLES, assert_well_formed, front_end

from npde.diagnostics import Collector, DiagnosticError
from npde.driver import Compilation
from npde.options import CompileOptions
from npde.source import Source
from npde.syntax import format, lexer, parse, tables
from tests.reference.programs import generate

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


FUNCTIONS = (
    "exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "tanh", "sech", "sigmoid", "relu", "abs", "abs2", "conj", "re", "im", "lap",
    "grad", "div", "curl", "dx", "dy", "dxx", "dt", "dtt", "mean", "sum", "integral", "lift", "linear", "K", "adjoint",
)  # fmt: skip
VALUES = ("0", "1", "2", "-1", "1/3", "0.5", "i", "pi", "x", "y", "t", "1e-3", "10")
SCHEMES = (
    "euler",
    "midpoint",
    "heun",
    "ssprk3",
    "rk4",
    "ab2",
    "leapfrog",
    "crank_nicolson",
    "strang",
    "lie",
    "dopri5",
    "bdf2",
)
PIECE = re.compile(r"[A-Za-z_]\w*'*|\d+\.?\d*(?:e-?\d+)?|\n|\s+|<=|>=|.")


def mutated_program(rng: random.Random) -> bytes:
    """A random well-typed program with one to three of its values, functions, operators or numbers exchanged: much of it reads, and
    much of what reads is nonsense in a way that only later stages can see."""
    pieces = PIECE.findall(generate(rng.randrange(5_000)))
    for _ in range(rng.choice([1, 1, 2, 3])):
        place = rng.choice(_places(pieces))
        word = pieces[place]
        names = [p for p in pieces if re.fullmatch(r"[A-Za-z]\w*'*", p)]
        if word in SCHEMES:
            pieces[place] = rng.choice(SCHEMES)
        elif word in FUNCTIONS:
            pieces[place] = rng.choice(FUNCTIONS)
        elif word[0].isalpha():
            other = rng.choice([*names, *VALUES])
            pieces[place] = rng.choice(
                [other, f"{rng.choice(FUNCTIONS)}({word})", f"({word} {rng.choice('+-*/^@')} {other})"]
            )
        elif word[0].isdigit():
            pieces[place] = rng.choice([*VALUES, rng.choice(names)])
        else:
            pieces[place] = rng.choice("+-*/^@")
    return "".join(pieces).encode()


def _places(pieces: list[str]) -> list[int]:
    """Where values stand: behind an equals sign, and numbers of grid, march and order."""
    found, first, is_value = [], "", False
    for n, piece in enumerate(pieces):
        if piece == "\n":
            first, is_value = "", False
            continue
        first = first or piece
        is_value |= piece == "="
        changes = re.match(r"[\w+*/^@-]", piece) is not None
        is_number = first in ("grid", "march", "order", "coordinates") and piece[0].isdigit()
        if (is_value and changes and first != "model") or is_number or piece in SCHEMES:
            found.append(n)
    return found


def check(data: bytes) -> bool:
    """Whether the front end copes with an input; true if it reads."""
    began = time.process_time()
    source, tree, found = front_end(data)
    assert time.process_time() - began < SECONDS
    assert tree is not None or found
    assert_well_formed(source, found)
    if tree is not None:
        text = format(tree)
        assert parse(Source("again", text)) == tree
        assert format(parse(Source("again", text))) == text
    return tree is not None


def run(seed: int, count: int) -> None:
    """A third of the inputs each are mutated by bytes, by tokens, and by values; some of each kind must read and some must not."""
    for mutate in (mutated_bytes, mutated_tokens, mutated_program):
        rng = random.Random(f"{seed} {mutate.__name__}")
        reads = 0
        for number in range(count // 3):
            data = mutate(rng)
            try:
                reads += check(data)
            except Exception as error:
                raise AssertionError(f"seed {seed}, {mutate.__name__} {number}: {data!r}") from error
        assert 0.005 * count < reads < 0.99 * count / 3


def test_mutated_examples() -> None:
    run(seed=0, count=2_000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_many_mutated_examples(seed: int) -> None:
    run(seed, count=2_000)


def compile_mutants(seed: int, count: int) -> None:
    """The whole way to emitted source, in any realisation: it is there, or diagnostics say why not."""
    rng = random.Random(f"{seed} compile")
    made = 0
    for number in range(count):
        text = mutated_program(rng).decode()
        options = CompileOptions(
            network=rng.choice(["cnn", "mlp", "rnn"]), free=rng.choice(["none", "none", "kernels", "layers"])
        )
        began = time.process_time()
        try:
            made += bool(Compilation(Source("fuzz.npde", text), options=options).source)
        except DiagnosticError as error:
            assert_well_formed(error.source, error.diagnostics)
        except Exception as error:
            raise AssertionError(f"seed {seed}, number {number}, {options}:\n{text}") from error
        assert time.process_time() - began < SECONDS, text
    assert 0.1 * count < made < 0.9 * count


def test_mutated_programs_compile_or_say_why_not() -> None:
    compile_mutants(seed=0, count=60)


@pytest.mark.slow
def test_many_mutated_programs_compile_or_say_why_not() -> None:
    compile_mutants(seed=1, count=600)
