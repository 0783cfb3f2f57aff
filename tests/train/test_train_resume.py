"""Runs that are interrupted or killed go on as if nothing had happened: same bits, nothing half written."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from npde.diagnostics import DiagnosticError
from npde.train import Adam, Jitter, Lbfgs, Warned, fit, supervised, trajectories
from npde.train.folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]


def labelled(scores, count=60):
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(count, 4, generator=generator)
    return supervised(scores, {"features": features}, features[:, :3].argmax(1))


def settings(**more):
    jitter = Jitter("features", (2, 2), shift=0.2)
    strategy = Adam(lr=0.05, clip=0.5, weight_decay=0.01)
    return {
        "epochs": 6,
        "strategy": strategy,
        "batch": 8,
        "val": 0.2,
        "augment": jitter,
        "seed": 3,
        "save_seconds": 0,
    } | more


def content(path):
    """Everything of a finished run that has to be the same: all files but times."""
    folder = RunFolder(path)
    newest = folder.latest
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    files = {file.name: file.read_bytes() for file in sorted(newest.iterdir())}
    return newest.name, files, [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


class Stop(Exception):
    """Stands for whatever ends a process."""


def stop_after(epoch):
    def callback(record, module):
        if record.epoch == epoch:
            raise Stop

    return callback


@pytest.mark.parametrize("epoch", [1, 2, 5, 6])
def test_a_run_stopped_after_any_epoch_goes_on_bit_for_bit(scores, tmp_path, epoch):
    make = type(scores)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    module = make()
    first = fit(module, labelled(module), run_dir=whole, **settings())
    module = make()
    with pytest.raises(Stop):
        fit(module, labelled(module), run_dir=parts, callback=stop_after(epoch), **settings())
    module = make(seed=9)
    second = fit(module, labelled(module), run_dir=parts, resume=True, **settings())
    assert content(whole) == content(parts)
    assert torch.equal(first.values["linear_0.weight"], second.values["linear_0.weight"])
    assert torch.equal(first.start["linear_0.weight"], second.start["linear_0.weight"])
    assert [r.loss for r in first.history] == [r.loss for r in second.history]


def test_the_best_epoch_is_remembered_across_a_stop(scores, tmp_path):
    """With a rate this large the best epoch is an early one, before the stop."""
    arguments = settings(strategy=Adam(lr=3.0, schedule="constant"), augment=None)
    make = type(scores)
    whole = fit(make(), labelled(make()), **arguments)
    assert whole.best.epoch < 5
    module = make()
    with pytest.raises(Stop):
        fit(module, labelled(module), run_dir=tmp_path / "run", callback=stop_after(5), **arguments)
    again = fit(module, labelled(module), run_dir=tmp_path / "run", resume=True, **arguments)
    assert again.best.epoch == whole.best.epoch
    for name, value in whole.best_parameters.items():
        assert torch.equal(value, again.best_parameters[name])


def test_lbfgs_goes_on_bit_for_bit_too(front, tmp_path):
    with torch.no_grad():
        states = front(0.5, 1.4).march(steps=40, every=10)
    arguments = {"strategy": Lbfgs(), "epochs": 8, "save_seconds": 0}
    for name, epochs in (("whole", ()), ("parts", (2, 3, 6))):
        for epoch in epochs:
            module = front()
            data = trajectories(module, {"u": states[:, :, 0]}, [0.0, 1.0, 2.0, 3.0, 4.0])
            with pytest.raises(Stop):
                fit(module, data, run_dir=tmp_path / name, resume=True, callback=stop_after(epoch), **arguments)
        module = front()
        data = trajectories(module, {"u": states[:, :, 0]}, [0.0, 1.0, 2.0, 3.0, 4.0])
        fit(module, data, run_dir=tmp_path / name, resume=True, **arguments)
    assert content(tmp_path / "whole") == content(tmp_path / "parts")


def test_a_finished_run_is_not_run_again(scores, tmp_path):
    path = tmp_path / "run"
    fit(scores, labelled(scores), run_dir=path, **settings())
    before = content(path)
    module = type(scores)(seed=4)
    run = fit(module, labelled(module), run_dir=path, resume=True, **settings())
    assert len(run.history) == 6
    assert content(path) == before
    assert torch.equal(module.linear_0.weight, scores.linear_0.weight)


def test_a_finished_run_goes_on_when_it_is_given_more_epochs(scores, tmp_path):
    path = tmp_path / "run"
    strategy = Adam(lr=0.05, schedule="constant")
    fit(scores, labelled(scores), run_dir=path, **settings(strategy=strategy))
    run = fit(scores, labelled(scores), run_dir=path, resume=True, **settings(strategy=strategy, epochs=9))
    module = type(scores)()
    whole = fit(module, labelled(module), **settings(strategy=strategy, epochs=9))
    assert [r.loss for r in run.history] == [r.loss for r in whole.history]
    assert torch.equal(module.linear_0.weight, scores.linear_0.weight)


def test_an_interrupt_keeps_the_last_whole_epoch(scores, tmp_path):
    path = tmp_path / "run"
    steps = []

    def reporter(event):
        steps.append(event)
        if getattr(event, "step", 0) == 3 and event.epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(scores, labelled(scores), run_dir=path, reporter=reporter, **settings(save_seconds=1e9))
    assert (path / "latest").read_text() == "0002\n"
    fit(scores, labelled(scores), run_dir=path, resume=True, **settings())
    whole = type(scores)()
    fit(whole, labelled(whole), run_dir=tmp_path / "whole", **settings())
    assert content(path) == content(tmp_path / "whole")


# --- what a folder refuses --------------------------------------------------------------------------------------------


def test_a_run_is_never_overwritten(scores, tmp_path):
    fit(scores, labelled(scores), run_dir=tmp_path / "run", **settings())
    with pytest.raises(DiagnosticError, match="N1105"):
        fit(scores, labelled(scores), run_dir=tmp_path / "run", **settings())


@pytest.mark.parametrize(
    "change, words",
    [
        ({"batch": 16}, "batch = 8, not 16"),
        ({"seed": 4}, "seed = 3, not 4"),
        ({"strategy": Adam(lr=0.1, clip=0.5, weight_decay=0.01)}, "strategy.lr = 0.05, not 0.1"),
        ({"augment": None}, "augment = .*, not None"),
        ({"loss": "mse"}, "loss"),
        ({"fix": ["linear_0"]}, ""),
    ],
)
def test_a_run_goes_on_only_under_the_same_options(scores, tmp_path, change, words):
    fit(scores, labelled(scores), run_dir=tmp_path / "run", **settings())
    code = "N1103" if "fix" in change else "N1106"
    with pytest.raises(DiagnosticError, match=f"{code}.*{words}"):
        fit(scores, labelled(scores), run_dir=tmp_path / "run", resume=True, **settings(**change))


def test_a_run_goes_on_only_with_the_same_data(scores, tmp_path):
    fit(scores, labelled(scores), run_dir=tmp_path / "run", **settings())
    with pytest.raises(DiagnosticError, match=r"N1106.*data"):
        fit(scores, labelled(scores, 61), run_dir=tmp_path / "run", resume=True, **settings())


def test_another_thread_count_is_a_warning(scores, tmp_path):
    fit(scores, labelled(scores), run_dir=tmp_path / "run", **settings(epochs=2))
    events = []
    torch.set_num_threads(2)
    fit(scores, labelled(scores), run_dir=tmp_path / "run", resume=True, reporter=events.append, **settings(epochs=3))
    (warning,) = [event.diagnostic for event in events if isinstance(event, Warned)]
    assert warning.code == "N1122"
    assert "threads = 1" in warning.message


def test_two_processes_do_not_write_into_one_run(scores, tmp_path):
    with RunFolder(tmp_path / "run"), pytest.raises(DiagnosticError, match="N1120"):
        fit(scores, labelled(scores), run_dir=tmp_path / "run", **settings())


@pytest.mark.parametrize("name", ["model.safetensors", "solver.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_checkpoint_is_noticed(scores, tmp_path, name, damage):
    path = tmp_path / "run"
    fit(scores, labelled(scores), run_dir=path, **settings(epochs=2))
    file = path / "checkpoints" / "0002" / name
    data = file.read_bytes()
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    else:
        middle = data.index(b'"epoch"') + 2 if name == "state.json" else len(data) - 3
        file.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    with pytest.raises(DiagnosticError, match="N1107"):
        fit(scores, labelled(scores), run_dir=path, resume=True, **settings(epochs=3))


@pytest.mark.parametrize("latest", ["", "9999", "../..", "0001x", "\x00"])
def test_a_latest_that_names_no_checkpoint_is_noticed(scores, tmp_path, latest):
    path = tmp_path / "run"
    fit(scores, labelled(scores), run_dir=path, **settings(epochs=2))
    (path / "latest").write_text(latest)
    with pytest.raises(DiagnosticError, match="N1107"):
        fit(scores, labelled(scores), run_dir=path, resume=True, **settings(epochs=3))


def test_options_that_are_no_json_are_noticed(scores, tmp_path):
    path = tmp_path / "run"
    fit(scores, labelled(scores), run_dir=path, **settings(epochs=2))
    (path / "options.json").write_text('{"format": 1')
    with pytest.raises(DiagnosticError, match="N1107"):
        fit(scores, labelled(scores), run_dir=path, resume=True, **settings(epochs=3))


def test_old_checkpoints_are_removed_and_the_first_is_kept(scores, tmp_path):
    fit(scores, labelled(scores), run_dir=tmp_path / "run", **settings())
    names = sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert names == ["0000", "0004", "0005", "0006"]


def test_a_checkpoint_is_written_whole_or_not_at_all(scores, tmp_path, monkeypatch):
    """The disk fills up in the middle of a checkpoint: the last one is still there and named."""
    path = tmp_path / "run"
    written = Path.write_bytes

    def full(self, data):
        if "0003" in self.parent.name and self.name == "solver.safetensors":
            written(self, data[:10])
            raise OSError(28, "No space left on device")
        return written(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(DiagnosticError, match=r"N1002.*no space left"):
        fit(scores, labelled(scores), run_dir=path, **settings())
    monkeypatch.undo()
    assert (path / "latest").read_text() == "0002\n"
    assert sorted(p.name for p in (path / "checkpoints").iterdir()) == ["0000", "0001", "0002"]
    fit(scores, labelled(scores), run_dir=path, resume=True, **settings())
    whole = type(scores)()
    fit(whole, labelled(whole), run_dir=tmp_path / "whole", **settings())
    assert content(path) == content(tmp_path / "whole")


# --- kill -9 ----------------------------------------------------------------------------------------------------------


class Server:
    """The process of `killed.py`."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(__file__).with_name("killed.py"))]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, line: str) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server():
    process = Server()
    yield process
    process.close()


def is_sound(path):
    """Whatever has a checkpoint's name is complete, and what `latest` names is there."""
    if not (path / "latest").exists():
        return True
    folder = RunFolder(path)
    assert folder.latest is not None
    for checkpoint in (path / "checkpoints").iterdir():
        if checkpoint.name.isdigit():
            state = json.loads((checkpoint / "state.json").read_text())
            assert set(state["sha256"]) | {"state.json"} == {file.name for file in checkpoint.iterdir()}
    return True


def epochs_on_disk(path):
    """The epoch of the newest checkpoint, -1 before the first."""
    try:
        return int((path / "latest").read_text())
    except (FileNotFoundError, ValueError):
        return -1


def kill_and_compare(server, tmp_path, kind, kills):
    """Kills a run `kills` times, the first time wherever it is, then each time a few epochs later, and lets it end."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    server.ask(f"{kind} {whole}")
    assert server.ask("join") == 0
    last, killed_indeed = epochs_on_disk(whole), 0
    moments = random.Random(7)
    for kill in range(kills):
        child = server.ask(f"{kind} {killed}")
        deadline = time.monotonic() + 60
        while epochs_on_disk(killed) < 2 * kill * last // (3 * kills) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        killed_indeed += server.ask("join") == -signal.SIGKILL
        assert is_sound(killed)
    server.ask(f"{kind} {killed}")
    assert server.ask("join") == 0
    assert content(whole) == content(killed)
    assert killed_indeed >= 0.75 * kills


@pytest.mark.parametrize("kind", ["adam", "lbfgs"])
def test_a_killed_run_resumes_bit_for_bit(server, tmp_path, kind):
    kill_and_compare(server, tmp_path, kind, 2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["adam", "lbfgs"])
def test_twenty_kills_leave_nothing_corrupt(server, tmp_path, kind):
    kill_and_compare(server, tmp_path, kind, 20)
