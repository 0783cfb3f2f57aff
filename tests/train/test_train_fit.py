"""`fit`: what is recovered, what is held, what is kept when numbers stop being numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from npde.diagnostics import DiagnosticError
from npde.train import (
    Adam,
    EpochDone,
    Finished,
    Jitter,
    Lbfgs,
    Progress,
    Saved,
    Solver,
    Started,
    StepDone,
    Strategy,
    evaluate,
    fit,
    physical_values,
    split,
    supervised,
    trajectories,
)

TIMES = [0.0, 1.0, 2.0, 3.0, 4.0]


def observed(front, noise=0.01, batch=1):
    """A front with D = 0.5, r = 1.4, observed at five times with noise."""
    rng = np.random.default_rng(1)
    with torch.no_grad():
        states = front(0.5, 1.4).march(steps=40, every=10)[:, :, 0].numpy()
    return {"u": states + noise * rng.normal(size=(batch, *states.shape[1:]))}


@pytest.mark.parametrize("strategy, epochs", [("lbfgs", 40), (Adam(lr=0.1), 150)])
@pytest.mark.parametrize("loss", ["mse", "relative_l2"])
def test_coefficients_are_recovered_from_noisy_frames(front, strategy, epochs, loss):
    module = front()
    run = fit(module, trajectories(module, observed(front), TIMES), strategy=strategy, loss=loss, epochs=epochs)
    found = {row.name: row for row in run.table}
    assert found["D"].start == pytest.approx(0.2)
    assert found["D"].estimate == pytest.approx(0.5, rel=0.05)
    assert found["r"].estimate == pytest.approx(1.4, rel=0.03)
    assert found["D"].estimate == float(module.D.detach())
    assert run.history[-1].loss < 0.3 * run.history[0].loss


def test_minibatches_of_trajectories_and_of_windows_recover_them_too(front):
    module = front()
    data = trajectories(module, observed(front, 0.001, batch=6), TIMES, start="data")
    fit(module, data, lr=0.05, epochs=60, batch=2)
    assert float(module.r.detach()) == pytest.approx(1.4, rel=0.05)
    module = front()
    fit(module, data.windows(2), lr=0.05, epochs=40, batch=4)
    assert float(module.r.detach()) == pytest.approx(1.4, rel=0.05)


def test_what_is_fixed_stays(front):
    module = front()
    run = fit(module, trajectories(module, observed(front), TIMES), strategy="lbfgs", epochs=20, fix=["r"])
    assert float(module.r.detach()) == 1.0
    assert float(module.D.detach()) != pytest.approx(0.2)
    assert run.fixed == ("r",)
    assert {row.name: row.fixed for row in run.table} == {"D": False, "r": True}
    assert all(p.requires_grad and p.grad is None for p in module.parameters())


def test_names_that_are_not_learned_cannot_be_fixed(front):
    data = trajectories(front(), observed(front), TIMES)
    with pytest.raises(DiagnosticError, match=r"N1104.*'d'"):
        fit(front(), data, fix=["d"])
    with pytest.raises(DiagnosticError, match="N1103"):
        fit(front(), data, fix=["D", "r"])


@pytest.mark.parametrize(
    "options",
    [{"epochs": 0}, {"batch": 0}, {"lr": -1.0}, {"lr": float("nan")}, {"val": 1.5}, {"patience": 0}],
)
def test_options_out_of_range_are_refused(front, options):
    with pytest.raises(DiagnosticError, match="N1119"):
        fit(front(), trajectories(front(), observed(front, batch=4), TIMES), **options)


def test_strategies_that_are_not_there_yet_say_so(front):
    data = trajectories(front(), observed(front), TIMES)
    with pytest.raises(DiagnosticError, match=r"N0900.*'lstsq'"):
        fit(front(), data, strategy="lstsq")
    with pytest.raises(DiagnosticError, match=r"N1118.*'sgd'"):
        fit(front(), data, strategy="sgd")


# --- runs are repeated ------------------------------------------------------------------------------------------------


def labelled(scores, count=60):
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(count, 4, generator=generator)
    return supervised(scores, {"features": features}, (features[:, :3] + 0.3 * features[:, 1:]).argmax(1))


def weights(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_the_same_seed_gives_the_same_bits_and_torch_s_generator_is_left_alone(scores):
    ends = []
    for seed in (0, 0, 1):
        module = type(scores)()
        torch.manual_seed(len(ends))
        before = torch.get_rng_state()
        jitter = Jitter("features", (2, 2), shift=0.2)
        fit(module, labelled(module), epochs=3, batch=8, seed=seed, val=0.2, augment=jitter)
        assert torch.equal(before, torch.get_rng_state())
        ends.append(weights(module))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_augmentation_changes_training_and_not_validation(scores):
    runs = []
    for jitter in (None, Jitter("features", (2, 2), shift=0.9)):
        module = type(scores)()
        run = fit(module, labelled(module), strategy=Adam(lr=1e-12), epochs=1, val=0.2, augment=jitter)
        runs.append(run.history[0])
    assert runs[0].val_loss == pytest.approx(runs[1].val_loss, rel=1e-6)
    assert runs[0].loss != pytest.approx(runs[1].loss, rel=1e-3)


# --- held-out data ----------------------------------------------------------------------------------------------------


def test_the_best_epoch_is_the_one_with_the_smallest_held_out_loss(scores):
    run = fit(scores, labelled(scores), strategy=Adam(lr=3.0, schedule="constant"), epochs=8, batch=8, val=0.3)
    smallest = min(record.val_loss for record in run.history)
    assert run.best.val_loss == smallest
    assert run.best is run.history[run.best.epoch - 1]
    assert run.best.epoch < 8
    module = type(scores)()
    run.restore_best(module)
    assert not torch.equal(weights(module), weights(scores))
    _, held = split(labelled(scores), 0.3, seed=0)
    assert evaluate(module, held).loss == pytest.approx(smallest, rel=1e-6)


def test_patience_stops_a_run(scores):
    run = fit(scores, labelled(scores), strategy=Adam(lr=30.0, schedule="constant"), epochs=50, val=0.3, patience=3)
    assert run.stopped == "patience"
    assert len(run.history) == run.best.epoch + 3


# --- numbers that are none --------------------------------------------------------------------------------------------


def test_a_march_that_blows_up_is_named_and_the_last_good_values_come_back(front, tmp_path):
    module = front(0.5, 1.4)
    data = trajectories(module, observed(front), TIMES)

    def spoil(record, net):
        if record.epoch == 2:
            net.set(20.0, 1.4)

    good = []

    def reporter(event):
        if isinstance(event, EpochDone):
            good.append(physical_values(module))

    with pytest.raises(DiagnosticError, match=r"N1101.*epoch 3, step 1") as caught:
        fit(module, data, epochs=5, run_dir=tmp_path / "run", callback=spoil, reporter=reporter)
    notes = caught.value.diagnostics[0].notes
    assert notes[0].startswith("'u' is not finite after step ")
    assert notes[-1] == f"the last good state is in '{tmp_path / 'run' / 'checkpoints' / '0002'}'."
    assert float(module.D.detach()) == float(good[1]["D"])
    assert (tmp_path / "run" / "latest").read_text() == "0002\n"


def test_the_first_bad_step_is_the_one_that_is_named(front):
    module = front(20.0, 1.4)
    data = trajectories(front(), observed(front), TIMES)
    with pytest.raises(DiagnosticError) as caught:
        fit(module, data, epochs=1)
    with torch.no_grad():
        frames = front(20.0, 1.4).march(steps=40, every=1)
    finite = torch.isfinite(frames).flatten(2).all(2)[0]
    first = int(torch.nonzero(~finite)[0])
    assert f"after step {first}, t = {0.1 * first:.6g}" in caught.value.diagnostics[0].notes[0]


class Root(torch.nn.Module):
    """√a at a = 0: the loss is finite, its gradient is not."""

    FIELDS = {"u": (0, 1, False)}
    INPUTS: dict = {}
    STEPS, DT, START, GRID = 1, 1.0, 0.0, (2,)

    def __init__(self):
        super().__init__()
        self.a = torch.nn.Parameter(torch.zeros(()))
        self.c = torch.nn.Parameter(torch.ones(()))

    def march(self, state=None, *, steps=1, every=None, start=0):
        frames = [torch.ones(1, 1, 2), self.c + self.a.sqrt() + torch.zeros(1, 1, 2)]
        return torch.stack(frames[: steps + 1], 1)

    forward = march


def test_a_gradient_that_is_not_finite_is_named():
    module = Root()
    data = trajectories(module, {"u": torch.tensor([[[1.0, 1.0], [2.0, 2.0]]])}, [0.0, 1.0], start="file")
    with pytest.raises(DiagnosticError, match=r"N1102.*'a'") as caught:
        fit(module, data, epochs=2)
    assert "stays finite" in caught.value.diagnostics[0].notes[0]
    assert float(module.a.detach()) == 0.0


def test_a_line_search_that_blows_up_steps_back(front):
    module = front(0.01, 1.0)
    data = trajectories(module, observed(front), TIMES)
    run = fit(module, data, strategy=Lbfgs(lr=8.0), epochs=60)
    assert np.isfinite(run.history[-1].loss)
    assert float(module.r.detach()) == pytest.approx(1.4, rel=0.05)


def test_a_held_out_march_that_blows_up_is_recorded_and_not_fatal(front):
    module = front(0.5, 1.4)
    data = trajectories(module, observed(front), TIMES)
    far = {"u": 1e200 * np.ones((1, 5, 24))}
    run = fit(module, data, epochs=2, val=trajectories(module, far, TIMES, start="data"))
    assert run.history[0].diverged
    assert run.history[0].val_loss is None


# --- interface --------------------------------------------------------------------------------------------------------


def test_the_reporter_hears_everything_in_order(scores, tmp_path):
    events = []
    run = fit(
        scores,
        labelled(scores),
        epochs=2,
        batch=20,
        val=0.2,
        run_dir=tmp_path / "run",
        reporter=events.append,
        save_seconds=0,
    )
    kinds = [type(event) for event in events]
    epoch = [StepDone, StepDone, StepDone, EpochDone, Saved]
    assert kinds == [Saved, Started, *epoch, *epoch, Finished]
    started = events[1]
    assert (started.samples, started.held_out, started.steps_per_epoch) == (48, 12, 3)
    assert started.learnables == ("linear_0",)
    assert events[-1].run is run
    assert [event.step for event in events if isinstance(event, StepDone)] == [1, 2, 3, 1, 2, 3]


@dataclass(frozen=True)
class Halve(Strategy):
    """A strategy that solves: it gives new values and is done."""

    name = "halve"

    def begin(self, task):
        return HalveSolver(task)


class HalveSolver(Solver):
    def __init__(self, task):
        self.task = task

    def epoch(self, number):
        values = {name: parameter.detach() / 2 for name, parameter in self.task.parameters.items()}
        return Progress(1.0, 1, done=True, values=values, report={"rank": 2})

    def state(self):
        return {}

    def restore(self, state):
        pass


def test_a_closed_form_strategy_returns_values(scores):
    before = weights(scores)
    run = fit(scores, labelled(scores), strategy=Halve(), epochs=10)
    assert torch.equal(weights(scores), before / 2)
    assert run.stopped == "converged"
    assert run.history[0].report == {"rank": 2}
    assert len(run.history) == 1


def test_an_augmented_image_is_shifted():
    image = torch.zeros(1, 1, 8, 8)
    image[0, 0, 3, 4] = 1.0
    moved = Jitter("image", (8, 8), shift=2.0)({"image": image}, torch.Generator().manual_seed(0))["image"]
    assert float(moved.sum()) == pytest.approx(1.0, rel=1e-5)
    centre = (moved * torch.arange(8.0)).sum() - 4, (moved * torch.arange(8.0)[:, None]).sum() - 3
    assert all(0.01 < abs(float(c)) <= 2.0 for c in centre)


def test_an_unshifted_image_stays():
    image = torch.rand(3, 64, generator=torch.Generator().manual_seed(0))
    same = Jitter("image", (8, 8), shift=0.0)({"image": image}, torch.Generator())["image"]
    torch.testing.assert_close(same, image, atol=1e-5, rtol=0)
    assert same.shape == image.shape
