"""Overrides as people write them, on the command line or in Python, to the records of `npde.options`.

    --grid x=256,y=256      grid={"x": 256, "y": 256}
    --march rk4,steps=100   march="rk4,steps=100"  or  march={"scheme": "rk4", "steps": 100}
    --set D=0.2             set={"D": 0.2}
    --extent t=0,20         extent={"t": (0, 20)}

Numbers are read exactly: 0.2 is 1/5, from text and from a Python float alike.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Literal, TypeVar, cast, get_args

from npde.diagnostics import NpdeError
from npde.options import CompileOptions, FreeKind, MarchOption, NetworkKind, Overrides

MAGNITUDE = 307
DIGITS = 100
NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
NUMBER = re.compile(r"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?", re.ASCII)
SIZE = re.compile(r"([\d.eE+]+?)\s*([kKMGT]?i?B|)", re.ASCII)
UNITS = {"": 1, "b": 1} | {
    prefix + unit: base**k for unit, base in (("b", 1000), ("ib", 1024)) for k, prefix in enumerate("kmgt", start=1)
}
Value = TypeVar("Value")
EMPTY: Mapping[str, Any] = MappingProxyType({})


class OptionError(NpdeError, ValueError):
    """An option that cannot be understood; the message says what was expected."""


def overrides(
    *,
    grid: str | Mapping[str, int] | None = None,
    order: int | None = None,
    march: str | Mapping[str, Any] | MarchOption | None = None,
    network: str | None = None,
    set: str | Mapping[str, Any] | None = None,
    extent: str | Mapping[str, Any] | None = None,
) -> Overrides:
    """The record of all overrides.

    Raises:
        OptionError: one of them cannot be understood. Whether the model has such a coordinate or learnable is seen later.
    """
    return Overrides(
        grid=_frozen(grid, "grid", "x=256,y=256", _cells),
        order=None if order is None else _whole(order, "order", "4"),
        march=_march(march),
        network=network_kind(network),
        set=_frozen(set, "set", "D=0.2", _number_for("set", "D=0.2")),
        extent=MappingProxyType(_extents(extent)),
    )


def compile_options(network: str | None = None, free: str = "none") -> CompileOptions:
    """The record of how a network is built.

    Raises:
        OptionError: no such realisation, or nothing of that kind can be released.
    """
    if free not in get_args(FreeKind):
        raise OptionError(f"'free' is one of {_either(get_args(FreeKind))}, not '{free}'.")
    return CompileOptions(network=network_kind(network), free=cast(FreeKind, free))


def network_kind(name: str | None) -> NetworkKind | None:
    """The realisation of that name."""
    if name is not None and name not in get_args(NetworkKind):
        raise OptionError(f"'network' is one of {_either(get_args(NetworkKind))}, not '{name}'.")
    return cast(NetworkKind | None, name)


def check_checkpoint(steps: Any, memory: int | None = None) -> None:
    """Raises OptionError unless it is None, or a number of steps and there is no budget."""
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise OptionError(f"'checkpoint' is a number of steps such as 10, not {steps!r}.")
    if steps is not None and memory is not None:
        raise OptionError("'checkpoint' and 'memory' both say what a march keeps; give one of them.")


def memory(value: Any) -> int | None:
    """Bytes: a whole number, or text such as `200 MB` or `1.5 GiB` (kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024).

    Raises:
        OptionError: it is neither, or below one byte.
    """
    if value is None:
        return None
    example = "'memory' is a number of bytes, or a size such as '200 MB' or '1.5 GiB'"
    match = SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        size = number(match[1], "memory", "200 MB") * UNITS[match[2].lower()]
    elif isinstance(value, int) and not isinstance(value, bool):
        size = Fraction(value)
    else:
        raise OptionError(f"{example}, not {_short(repr(value))}.")
    if size < 1:
        raise OptionError(f"{example}, not {_short(repr(value))}.")
    return int(size)


def plain(values: Overrides) -> dict[str, Any]:
    """Overrides as JSON can hold them; `overrides(**plain(o)) == o`. What is not overridden is left out."""
    found: dict[str, Any] = {}
    if values.grid:
        found["grid"] = dict(values.grid)
    if values.order is not None:
        found["order"] = values.order
    if values.march is not None:
        march = values.march
        entries = {name: getattr(march, name) for name in ("scheme", "along", "steps", "dt", "tolerance")}
        found["march"] = {
            k: exact_text(v) if isinstance(v, Fraction) else v for k, v in entries.items() if v is not None
        }
    if values.network is not None:
        found["network"] = values.network
    if values.set:
        found["set"] = {name: exact_text(value) for name, value in values.set.items()}
    if values.extent:
        found["extent"] = {name: [exact_text(end) for end in ends] for name, ends in values.extent.items()}
    return found


def exact_text(value: Fraction) -> str:
    """The shortest decimal that is exactly `value`, else `p/q`."""
    try:
        decimal = repr(float(value))
    except OverflowError:
        return str(value)
    return decimal.removesuffix(".0") if Fraction(decimal) == value else str(value)


def number(value: Any, option: str, example: str) -> Fraction:
    """A number, exact: text in decimals or as `1/3`, or any real Python number."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, str):
        return _parsed(value.strip(), option, example)
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise OptionError(f"'{option}' expects numbers, as in `{example}`, not {value!r}.")
    if isinstance(value, numbers.Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    if not math.isfinite(value):
        raise OptionError(f"'{option}' expects finite numbers, not {value!r}.")
    return Fraction(repr(float(value)))


def _parsed(text: str, option: str, example: str) -> Fraction:
    above, slash, below = text.partition("/")
    denominator = _decimal(below.strip()) if slash else Fraction(1)
    numerator = _decimal(above.strip())
    if numerator is None or not denominator:
        raise OptionError(f"'{option}' expects a number, as in `{example}`, not '{_short(text)}'.")
    return numerator / denominator


def _decimal(text: str) -> Fraction | None:
    """A decimal number; None if it is none, or beyond double precision (no tower of digits is ever built)."""
    match = NUMBER.fullmatch(text)
    if match is None or len(text) > DIGITS or not (match[2] or match[3]):
        return None
    digits = (match[2] + (match[3] or "")).lstrip("0")
    if not digits:
        return Fraction(0)
    exponent = int(match[4] or 0) - len(match[3] or "")
    if abs(exponent + len(digits)) > MAGNITUDE:
        return None
    value = Fraction(int(digits)) * Fraction(10) ** exponent
    return -value if match[1] == "-" else value


def _march(value: str | Mapping[str, Any] | MarchOption | None) -> MarchOption | None:
    if value is None or isinstance(value, MarchOption):
        return value
    settings = _march_settings(value) if isinstance(value, str) else dict(value)
    unknown = sorted(set(settings) - {"scheme", "along", "steps", "dt", "tolerance"})
    if unknown:
        raise OptionError(f"'march' knows scheme, steps, dt, tolerance and along, not '{_short(unknown[0])}'.")
    if settings.get("steps") is not None and settings.get("dt") is not None:
        raise OptionError("'march' takes 'steps' or 'dt', not both.")
    return MarchOption(
        scheme=_name(settings.get("scheme")),
        along=_name(settings.get("along")),
        steps=None if settings.get("steps") is None else _whole(settings["steps"], "march", "rk4,steps=100"),
        dt=_dt(settings.get("dt")),
        tolerance=None
        if settings.get("tolerance") is None
        else number(settings["tolerance"], "march", "dopri5,tolerance=1e-8"),
    )


def _march_settings(text: str) -> dict[str, str]:
    """`rk4,steps=100`: a bare word is the scheme; `:` for `=` as in a file."""
    settings: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.replace(":", "=").partition("="))
        key, value = (key, value) if equals else ("scheme", key)
        if not key or not value or key in settings:
            raise OptionError(f"'march' is written as in `rk4,steps=100`, not '{_short(text)}'.")
        settings[key] = value
    return settings


def _dt(value: Any) -> Fraction | Literal["auto"] | None:
    if value is None:
        return None
    if value == "auto":
        return "auto"
    dt = number(value, "march", "rk4,dt=0.05")
    if dt <= 0:
        raise OptionError(f"'dt' is positive, not {value}.")
    return dt


def _extents(value: str | Mapping[str, Any] | None) -> dict[str, tuple[Fraction, Fraction]]:
    """`t=0,20,x=-1,1`: a name with two numbers each."""
    example = "t=0,20"
    if isinstance(value, str):
        value = _pairs_of_two(value, example)
    found = {}
    for name, ends in (value or EMPTY).items():
        _check_name(name, "extent", example)
        if isinstance(ends, str) or not hasattr(ends, "__len__") or len(ends) != 2:
            raise OptionError(f"'extent' expects a lower and an upper end, as in `{example}`, for '{_short(name)}'.")
        lower, upper = (number(end, "extent", example) for end in ends)
        if lower >= upper:
            raise OptionError(
                f"'extent' of '{name}' runs from {lower} to {upper}; its upper end must be above its lower one."
            )
        found[name] = (lower, upper)
    return found


def _pairs_of_two(text: str, example: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    name = None
    for part in text.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if equals:
            if key in found:
                raise OptionError(f"'extent' gives '{_short(key)}' twice.")
            name, found[key] = key, (value,)
        elif name is not None:
            found[name] = (*found[name], key)
        else:
            raise OptionError(f"'extent' is written as in `{example}`, not '{_short(text)}'.")
    return found


def _frozen(value: Any, option: str, example: str, read: Any) -> Mapping[str, Any]:
    if not isinstance(value, str | Mapping | None):
        raise OptionError(f"'{option}' expects a mapping or a text, as in `{example}`, not {_short(repr(value))}.")
    pairs = _pairs(value, option, example) if isinstance(value, str) else dict(value or {})
    for name in pairs:
        _check_name(name, option, example)
    return MappingProxyType({name: read(entry) for name, entry in pairs.items()})


def _pairs(text: str, option: str, example: str) -> dict[str, str]:
    """`x=256,y=256`."""
    found: dict[str, str] = {}
    for part in text.split(","):
        key, _, value = (piece.strip() for piece in part.replace(":", "=").partition("="))
        if not key or not value:
            raise OptionError(f"'{option}' is written as in `{example}`, not '{_short(text)}'.")
        if key in found:
            raise OptionError(f"'{option}' gives '{_short(key)}' twice.")
        found[key] = value
    return found


def _cells(value: Any) -> int:
    return _whole(value, "grid", "x=256,y=256")


def _number_for(option: str, example: str) -> Any:
    return lambda value: number(value, option, example)


def _whole(value: Any, option: str, example: str) -> int:
    exact = number(value, option, example)
    if exact.denominator != 1 or exact < 1:
        raise OptionError(f"'{option}' expects a positive whole number, as in `{example}`, not {_short(str(value))}.")
    return exact.numerator


def _name(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise OptionError(f"'march' expects the name of a scheme, as in `rk4,steps=100`, not {_short(repr(value))}.")
    return value


def _check_name(name: Any, option: str, example: str) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise OptionError(f"'{option}' is written as in `{example}`: '{_short(str(name))}' is not a name.")


def _either(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
