"""Writes are complete or did not happen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from npde.diagnostics import DiagnosticError
from npde.files import atomic, replacing, replacing_folder, write_bytes, write_text


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def write_half(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError


def test_a_file_is_replaced_and_nothing_is_left_over(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"
    write_text(target, "ä\n")
    assert target.read_bytes() == "ä\n".encode()
    write_bytes(target, b"two")
    assert target.read_bytes() == b"two"
    assert names(target.parent) == ["a.txt"]


def test_an_exception_keeps_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "good")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        write_half(temporary)
    assert target.read_text() == "good"
    assert names(tmp_path) == ["a.txt"]


def test_the_old_file_stays_until_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
        assert temporary.parent == target.parent
    assert target.read_text() == "new"


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")
    target.chmod(0o640)
    link = tmp_path / "link.txt"
    link.symlink_to(target)
    write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_device_is_written_to_and_not_replaced() -> None:
    write_text("/dev/null", "x")
    assert not Path("/dev/null").is_file()
    done = subprocess.run(
        [sys.executable, "-c", "from npde.files import write_text; write_text('/dev/stdout', 'hello')"],
        check=True,
        capture_output=True,
    )
    assert done.stdout == b"hello"


@pytest.mark.parametrize("stage", ["fsync", "replace"])
def test_a_full_disk_leaves_the_last_good_state(tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "good")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, stage, refuse)
    with pytest.raises(DiagnosticError, match=r"'.*a\.txt' cannot be written: no space left on device") as caught:
        write_text(target, "half")
    assert caught.value.diagnostics[0].code == "N1002"
    monkeypatch.undo()
    assert target.read_text() == "good"
    assert names(tmp_path) == ["a.txt"]


def test_what_cannot_be_a_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError, match="it is a folder"):
        write_text(tmp_path, "x")
    write_text(tmp_path / "file", "x")
    with pytest.raises(DiagnosticError, match="cannot be written"):
        write_text(tmp_path / "file" / "below", "x")
    with pytest.raises(DiagnosticError, match="it is a file, not a folder"), replacing_folder(tmp_path / "file"):
        pass


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "run"
    for content in ("one", "two"):
        with replacing_folder(target) as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / content).write_text(content)
    assert names(target / "sub") == ["two"]
    assert names(tmp_path) == ["run"]
    with pytest.raises(RuntimeError), replacing_folder(target) as folder:
        write_half(folder / "three")
    assert names(target / "sub") == ["two"]
    assert names(tmp_path) == ["run"]


def test_a_folder_comes_back_when_the_last_rename_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "run"
    with replacing_folder(target) as folder:
        (folder / "good").write_text("good")
    real = os.replace

    def second_fails(source: object, goal: object) -> None:
        if str(source).endswith(".part"):
            raise OSError(5, "Input/output error")
        real(source, goal)  # type: ignore[arg-type]

    monkeypatch.setattr(atomic.os, "replace", second_fails)
    with pytest.raises(DiagnosticError, match="input/output error"), replacing_folder(target) as folder:
        (folder / "bad").write_text("bad")
    assert names(target) == ["good"]
    assert names(tmp_path) == ["run"]


def test_killed_at_any_moment_there_is_a_good_file(tmp_path: Path) -> None:
    """A process that rewrites a file for ever is killed; the file is always one of the two whole contents."""
    target = tmp_path / "a.txt"
    code = (
        "import sys; from npde.files import write_text\n"
        "n = 0\n"
        "while True:\n"
        "    write_text(sys.argv[1], str(n % 10) * 100_000); n += 1; print(n, flush=True)\n"
    )
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(7):
            process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        content = target.read_text()
        assert len(content) == 100_000
        assert len(set(content)) == 1
