"""Overrides as people write them."""

from __future__ import annotations

import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from npde import settings
from npde.diagnostics import NpdeError
from npde.options import MarchOption, Overrides


def test_text_and_python_values_give_the_same_record() -> None:
    from_text = settings.overrides(
        grid="x=256, y=128", order=4, march="rk4,steps=100", network="mlp", set="D=0.2,r=1/3", extent="t=0,20,x=-1,1"
    )
    from_values = settings.overrides(
        grid={"x": 256, "y": np.int64(128)},
        order=4,
        march={"scheme": "rk4", "steps": 100},
        network="mlp",
        set={"D": 0.2, "r": Fraction(1, 3)},
        extent={"t": (0, 20), "x": [-1, 1]},
    )
    assert from_text == from_values
    assert from_text.set["D"] == Fraction(1, 5)


def test_a_python_float_is_the_decimal_it_prints_as() -> None:
    assert settings.number(0.1, "set", "D=0.2") == Fraction(1, 10)
    assert settings.number(np.float32(0.5), "set", "D=0.2") == Fraction(1, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rk4", MarchOption(scheme="rk4")),
        ("steps=100", MarchOption(steps=100)),
        ("rk4, dt: 0.05", MarchOption(scheme="rk4", dt=Fraction(1, 20))),
        ("strang,along=z,steps=5", MarchOption(scheme="strang", along="z", steps=5)),
        ("dt=auto", MarchOption(dt="auto")),
    ],
)
def test_march(text: str, expected: MarchOption) -> None:
    assert settings.overrides(march=text).march == expected


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("grid", "x"),
        ("grid", "x=2.5"),
        ("grid", "x=0"),
        ("grid", "x=-4"),
        ("grid", "x=8,x=9"),
        ("grid", "2x=8"),
        ("grid", {"x": "many"}),
        ("grid", {"x": True}),
        ("grid", 16),
        ("march", "rk4,euler"),
        ("march", "rk4,steps=1.5"),
        ("march", "rk4,steps=10,dt=0.1"),
        ("march", "rk4,stpes=10"),
        ("march", "rk4,dt=-1"),
        ("march", ""),
        ("set", "D=__import__('os')"),
        ("set", "D=inf"),
        ("set", "D=1/0"),
        ("set", {"D": float("nan")}),
        ("set", {"D": 1j}),
        ("set", "D.__class__=1"),
        ("extent", "t=0"),
        ("extent", "t=2,1"),
        ("extent", "0,1"),
        ("extent", "t=0,1,t=0,2"),
        ("extent", {"t": "01"}),
        ("network", "transformer"),
        ("order", 0),
    ],
)
def test_what_cannot_be_understood_says_how_it_is_written(option: str, value: object) -> None:
    with pytest.raises(settings.OptionError) as caught:
        settings.overrides(**{option: value})
    message = str(caught.value)
    assert message.startswith("'")
    assert message.endswith(".")
    assert option in message or "dt" in message
    assert isinstance(caught.value, NpdeError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "9" * 10_000, "1/1e999999999", "1e308e308"])
def test_no_number_builds_a_tower(text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(settings.OptionError):
        settings.overrides(set=f"D={text}")
    assert time.perf_counter() - start < 0.5


@given(
    st.fractions(max_denominator=10**6),
    st.integers(1, 10**6),
    st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: x == 0 or 1e-300 < abs(x) < 1e300),
)
def test_plain_values_read_back_as_they_were(fraction: Fraction, cells: int, value: float) -> None:
    record = settings.overrides(
        grid={"x": cells},
        march={"dt": abs(fraction) or 1},
        set={"a": fraction, "b": value},
        extent={"t": (fraction, fraction + 1)},
    )
    assert settings.overrides(**settings.plain(record)) == record


def test_nothing_is_overridden_by_default() -> None:
    assert settings.overrides() == Overrides()
    assert settings.plain(Overrides()) == {}


def test_compile_options() -> None:
    assert settings.compile_options("cnn", "kernels").free == "kernels"
    with pytest.raises(settings.OptionError, match=r"none, kernels or layers"):
        settings.compile_options("cnn", "all")
