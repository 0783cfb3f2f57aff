"""Folders with a saved model: written whole, checked before they are read, never executed."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import npde
from npde.diagnostics import DiagnosticError, NpdeError
from npde.emit.live import LiveModule

TEXT = """model fisher
coordinates x in [0, 20], t in [0, 1]
field u(x, t)
learn D = 0.1 > 0, c(x), f(a) = mlp(4, tanh)
dt(u) = D*lap(u) + f(u) + 0.01*c
boundary periodic
initial u = exp(-(x - 10)^2)
grid x: 32
march rk4, steps: 5
"""


@pytest.fixture
def net() -> LiveModule:
    """A module with changed values and one of them frozen."""
    net = npde.parse(TEXT).compile(
        dtype="float64",
        grid={"x": 16},
        march="euler,steps=7",
        set={"D": 0.2},
        generator=torch.Generator().manual_seed(0),
    )
    net.D = 0.37
    net.c.requires_grad_(False)
    return net


@pytest.fixture
def folder(net: LiveModule, tmp_path: Path) -> Path:
    """Where it was saved."""
    net.save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def rehash(folder: Path, *names: str, **entries: Any) -> None:
    """What someone does who changes a file and knows of the hashes."""
    config = json.loads((folder / "config.json").read_text())
    for name in names:
        config["sha256"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config | entries))


def code_of(folder: Path) -> str:
    with pytest.raises(DiagnosticError) as caught:
        npde.from_pretrained(folder)
    (found,) = caught.value.diagnostics
    assert found.message.endswith(".")
    return found.code


def test_what_is_loaded_is_what_was_saved(net: LiveModule, folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.npde", "model.py", "model.safetensors"]
    twin = npde.from_pretrained(folder)
    assert torch.equal(twin(), net())
    assert twin.STEPS == 7
    assert twin.source == net.source == (folder / "model.py").read_text()
    assert (folder / "model.npde").read_text() == TEXT
    assert not twin.c.requires_grad
    assert twin.raw_D.requires_grad
    assert {n: t.dtype for n, t in twin.state_dict().items()} == {n: t.dtype for n, t in net.state_dict().items()}
    twin.save_pretrained(folder.parent / "again")
    for name in ("model.npde", "model.safetensors", "model.py", "config.json"):
        assert (folder.parent / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_dtype_device_and_overwriting(net: LiveModule, folder: Path) -> None:
    assert npde.from_pretrained(folder, dtype=torch.float32).D.dtype == torch.float32
    assert npde.from_pretrained(str(folder), dtype="float32", device="cpu")().dtype == torch.float32
    net.D = 0.11
    net.save_pretrained(folder)
    assert npde.from_pretrained(folder).D.item() == pytest.approx(0.11)
    assert [p.name for p in folder.parent.iterdir()] == ["saved"]


def test_loading_leaves_torchs_generator_alone(folder: Path) -> None:
    before = torch.get_rng_state()
    npde.from_pretrained(folder)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", ["model.npde", "model.safetensors", "model.py"])
def test_a_changed_file_is_noticed(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    (folder / name).write_bytes(content)
    assert code_of(folder) == "N1031"


@pytest.mark.parametrize("name", ["config.json", "model.npde", "model.safetensors", "model.py"])
def test_a_missing_file_is_noticed(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert code_of(folder) == "N1030"


def test_model_py_is_never_executed(folder: Path) -> None:
    flag = folder.parent / "executed"
    (folder / "model.py").write_text(f"open({str(flag)!r}, 'w')\n")
    rehash(folder, "model.py")
    npde.from_pretrained(folder)
    assert not flag.exists()


def test_the_model_is_compiled_from_its_text(folder: Path) -> None:
    (folder / "model.npde").write_text(TEXT.replace("lap(u)", "lap(u) + __import__('os').system('true')"))
    rehash(folder, "model.npde")
    with pytest.raises(DiagnosticError) as caught:
        npde.from_pretrained(folder)
    assert caught.value.source.name.endswith("model.npde")


def test_weights_that_do_not_fit(folder: Path) -> None:
    good = load_file(folder / "model.safetensors")
    bad: list[dict[str, torch.Tensor]] = [
        {name: tensor for name, tensor in good.items() if name != "c"},
        good | {"more": torch.zeros(1)},
        good | {"c": torch.zeros(17, dtype=torch.float64)},
        good | {"c": good["c"].float()},
    ]
    for state in bad:
        save_file(state, folder / "model.safetensors")
        rehash(folder, "model.safetensors")
        assert code_of(folder) == "N1032"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 8,
        b"\x02\0\0\0\0\0\0\0[]",
        b"\x04\0\0\0\0\0\0\0{{{{",
        (10**15).to_bytes(8, "little") + b'{"a": 1}',
        b"\x80\x04\x95pickle",
    ],
)
def test_weights_that_are_no_safetensors(folder: Path, content: bytes) -> None:
    (folder / "model.safetensors").write_bytes(content)
    rehash(folder, "model.safetensors")
    assert code_of(folder) == "N1032"


def test_a_header_that_lies_about_where_the_numbers_are(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-8])
    rehash(folder, "model.safetensors")
    assert code_of(folder) == "N1032"


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '{"format": 1}', "[" * 100_000])
def test_a_config_that_is_none(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content)
    assert code_of(folder) == "N1030"


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ({"format": 2}, "N1033"),
        ({"dtype": "int64"}, "N1030"),
        ({"dtype": ["float64"]}, "N1030"),
        ({"overrides": {"grid": {"x": "many"}}}, "N1030"),
        ({"overrides": []}, "N1030"),
        ({"overrides": {"eval": "1"}}, "N1030"),
        ({"options": {"network": "cnn", "free": "all"}}, "N1030"),
        ({"options": None}, "N1030"),
        ({"frozen": {"c": [1]}}, "N1030"),
        ({"frozen": [["c"]]}, None),
    ],
)
def test_a_config_with_other_entries(folder: Path, entries: dict[str, Any], code: str | None) -> None:
    rehash(folder, **entries)
    if code is None:
        npde.from_pretrained(folder)
        return
    assert code_of(folder) == code


def test_what_is_too_large_is_not_read(folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(10**12)
    assert code_of(folder) == "N1030"
    with (folder / "config.json").open("r+b") as file:
        file.truncate(10**12)
    assert code_of(folder) == "N1030"


def test_no_folder(tmp_path: Path, folder: Path) -> None:
    assert code_of(tmp_path / "none") == "N1030"
    assert code_of(folder / "model.npde") == "N1030"


def test_a_disk_that_is_full_keeps_the_last(net: LiveModule, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    net.D = 0.5
    with pytest.raises(NpdeError, match="no space left"):
        net.save_pretrained(folder)
    monkeypatch.undo()
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    shutil.rmtree(folder)
