"""Datasets: what is checked, what a batch holds, how items are ordered and divided."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from npde.diagnostics import DiagnosticError, NpdeError
from npde.train import Network, fit, split, supervised, trajectories
from npde.train.split import stratified

TIMES = [1.0, 1.2, 1.4, 1.6]


def arrays(batch=3, frames=4):
    rng = np.random.default_rng(0)
    u = rng.normal(size=(batch, frames, 6))
    psi = rng.normal(size=(batch, frames, 6)) + 1j * rng.normal(size=(batch, frames, 6))
    return {"u": u, "psi": psi}, {"s": rng.normal(size=(batch, 20))}


def failing(code, *words):
    return pytest.raises(DiagnosticError, match=f"{code}.*" + ".*".join(words))


# --- what a batch holds -----------------------------------------------------------------------------------------------


def test_states_are_laid_out_by_channel(decay):
    fields, inputs = arrays()
    data = trajectories(decay, fields, TIMES, inputs=inputs)
    batch = data.batch(torch.tensor([2, 0]), Network(decay).like)
    assert batch.state.shape == (2, 3, 6)
    np.testing.assert_allclose(batch.state[0, 0], fields["u"][2, 0])
    np.testing.assert_allclose(batch.state[1, 1], fields["psi"][0, 0].real)
    np.testing.assert_allclose(batch.state[1, 2], fields["psi"][0, 0].imag)
    np.testing.assert_allclose(batch.states[0, :, 0], fields["u"][2, 1:])


def test_frames_lie_on_steps_and_are_marched_to_together(decay):
    fields, inputs = arrays()
    batch = trajectories(decay, fields, [1.0, 1.2, 1.6, 2.0], inputs=inputs).batch(torch.arange(3), Network(decay).like)
    assert (batch.first, batch.steps, batch.every, batch.frames) == (0, 10, 2, (1, 3, 5))
    assert batch.inputs[0].shape == (3, 10)


def test_a_later_start_shifts_steps_and_inputs(decay):
    fields, inputs = arrays()
    batch = trajectories(decay, fields, [1.3, 1.4, 1.5, 1.6], inputs=inputs).batch(torch.arange(3), Network(decay).like)
    assert (batch.first, batch.steps, batch.every) == (3, 3, 1)
    np.testing.assert_allclose(batch.inputs[0], inputs["s"][:, 3:6])


def test_a_start_from_the_file_marches_to_the_first_frame(decay):
    fields, inputs = arrays()
    data = trajectories(decay, fields, [1.2, 1.4, 1.6, 1.8], inputs=inputs, start="file")
    batch = data.batch(torch.arange(3), Network(decay).like)
    assert batch.state is None
    assert (batch.first, batch.steps, batch.every, batch.frames) == (0, 8, 2, (1, 2, 3, 4))
    assert batch.states.shape == (3, 4, 3, 6)


def test_one_sample_of_an_input_is_shared(decay):
    fields, inputs = arrays()
    data = trajectories(decay, fields, TIMES, inputs={"s": inputs["s"][:1]})
    assert data.batch(torch.arange(3), Network(decay).like).inputs[0].shape == (3, 6)


def test_windows_cover_every_step_between_frames_once(decay):
    fields, inputs = arrays(frames=7)
    times = [1 + 0.2 * n for n in range(7)]
    data = trajectories(decay, fields, times, inputs=inputs).windows(3)
    assert len(data) == 9
    seen = []
    for batch in data.in_order(3, Network(decay).like):
        assert batch.size == 3
        assert (batch.steps, batch.every, batch.frames) == (4, 2, (1, 2))
        assert batch.inputs[0].shape[1] == 4
        seen.append(batch.first)
    assert seen == [0, 4, 8]


def test_windows_that_start_at_different_steps_share_no_batch_unless_steps_are_alike(decay, front):
    fields, inputs = arrays(batch=1, frames=7)
    times = [1 + 0.2 * n for n in range(7)]
    assert len(trajectories(decay, fields, times, inputs=inputs).windows(3).groups) == 3
    data = trajectories(front(), {"u": np.zeros((2, 5, 24))}, [0, 0.1, 0.2, 0.3, 0.4]).windows(2)
    assert len(replace(data, by_first_step=False).groups) == 1


def test_data_have_the_precision_of_the_module(decay):
    fields, inputs = arrays()
    data = trajectories(decay.float(), fields, TIMES, inputs=inputs)
    assert data.states.dtype == torch.float32


@pytest.mark.parametrize("length, stride", [(1, None), (5, None), (3, 0)])
def test_windows_out_of_range_are_refused(decay, length, stride):
    fields, inputs = arrays()
    with pytest.raises(ValueError, match="window"):
        trajectories(decay, fields, TIMES, inputs=inputs).windows(length, stride)


# --- masks ------------------------------------------------------------------------------------------------------------


def test_a_missing_field_is_masked_and_needs_the_file_s_start(decay):
    fields, inputs = arrays()
    with failing("N1113", "'psi'"):
        trajectories(decay, {"u": fields["u"]}, TIMES, inputs=inputs)
    data = trajectories(decay, {"u": fields["u"]}, TIMES, inputs=inputs, start="file")
    mask = data.batch(torch.arange(3), Network(decay).like).mask
    assert bool(mask[:, :, 0].all())
    assert not bool(mask[:, :, 1:].any())


def test_masks_apply_to_their_field_only(decay):
    fields, inputs = arrays()
    seen = np.ones((1, 4, 6), dtype=bool)
    seen[:, :, 2] = False
    data = trajectories(decay, fields, TIMES, inputs=inputs, mask={"psi": seen})
    mask = data.batch(torch.tensor([1]), Network(decay).like).mask
    assert bool(mask[:, :, 0].all())
    assert not bool(mask[:, :, 1:, 2].any())
    assert int(mask.sum()) == 3 * (18 - 2)


def test_a_mask_that_does_not_fit_is_named(decay):
    fields, inputs = arrays()
    with failing("N1110", "mask of psi"):
        trajectories(decay, fields, TIMES, inputs=inputs, mask={"psi": np.ones((3, 4, 5), bool)})


# --- what is refused --------------------------------------------------------------------------------------------------


def test_times_between_steps_are_refused(decay):
    fields, inputs = arrays()
    with failing("N1109", "t = 1.25"):
        trajectories(decay, fields, [1.0, 1.25, 1.4, 1.6], inputs=inputs)


@pytest.mark.parametrize("times", [[0.9, 1.0, 1.1, 1.2], [1.0, 1.2, 1.2, 1.4], [1.4, 1.2, 1.6, 1.8]])
def test_times_before_the_start_or_out_of_order_are_refused(decay, times):
    fields, inputs = arrays()
    with failing("N1109"):
        trajectories(decay, fields, times, inputs=inputs)


def test_times_in_single_precision_are_close_enough(decay):
    fields, inputs = arrays()
    times = np.array([1.0, 1.1, 1.2, 1.3], dtype=np.float32)
    assert trajectories(decay, fields, times, inputs=inputs).steps == (0, 1, 2, 3)


def test_shapes_are_named_with_what_was_expected(decay):
    fields, inputs = arrays()
    with failing("N1110", "'u'", r"\[3, 4, 1, 5\]", r"\[batch, 4, 6\]"):
        trajectories(decay, {**fields, "u": fields["u"][..., :5]}, TIMES, inputs=inputs)
    with failing("N1110", "'u'"):
        trajectories(decay, {**fields, "u": fields["u"][:, :3]}, TIMES, inputs=inputs)
    with failing("N1110", "'s'", r"\[batch, steps\]"):
        trajectories(decay, fields, TIMES, inputs={"s": np.zeros((3, 20, 2))})


def test_complex_values_of_a_real_field_are_refused(decay):
    fields, inputs = arrays()
    with failing("N1111", "'u'", "complex"):
        trajectories(decay, {**fields, "u": fields["psi"]}, TIMES, inputs=inputs)


def test_values_that_are_not_finite_are_refused(decay):
    fields, inputs = arrays()
    fields["u"][1, 2, 3] = np.nan
    with failing("N1115", "'u'", "1 of 72"):
        trajectories(decay, fields, TIMES, inputs=inputs)


def test_unknown_missing_and_uneven_arrays_are_refused(decay):
    fields, inputs = arrays()
    with failing("N1112", "'v'"):
        trajectories(decay, {**fields, "v": fields["u"]}, TIMES, inputs=inputs)
    with failing("N1112", "'q'"):
        trajectories(decay, fields, TIMES, inputs={**inputs, "q": inputs["s"]})
    with failing("N1113", "'s'"):
        trajectories(decay, fields, TIMES)
    with failing("N1114", "'s'"):
        trajectories(decay, fields, TIMES, inputs={"s": np.zeros((2, 20))})


def test_a_module_that_npde_did_not_make_is_refused():
    with pytest.raises(TypeError, match="FIELDS"):
        trajectories(torch.nn.Linear(2, 2), {}, [0.0])


# --- order ------------------------------------------------------------------------------------------------------------


def labelled(scores, count=40):
    generator = torch.Generator().manual_seed(1)
    return supervised(scores, {"features": torch.randn(count, 4, generator=generator)}, torch.arange(count) % 3)


def test_an_epoch_s_order_depends_on_seed_and_epoch_only(scores):
    data = labelled(scores)
    like = Network(scores).like

    def order(seed, epoch):
        return torch.cat([batch.inputs[0] for batch in data.shuffled(7, like, seed, epoch)])

    torch.manual_seed(5)
    first = order(3, 1)
    torch.manual_seed(6)
    assert torch.equal(first, order(3, 1))
    assert not torch.equal(first, order(3, 2))
    assert not torch.equal(first, order(4, 1))
    assert torch.equal(first.sort(0).values, data.inputs["features"].sort(0).values)


def test_batches_are_counted(scores):
    data = labelled(scores)
    assert data.batches(7) == 6 == len(list(data.shuffled(7, Network(scores).like, 0, 1)))


def test_the_fingerprint_tells_data_apart(scores):
    data = labelled(scores)
    assert data.fingerprint() == labelled(scores).fingerprint()
    assert data.fingerprint() != data.subset(torch.arange(39)).fingerprint()
    other = {"features": data.inputs["features"].clone()}
    other["features"][3, 2] += 1e-6
    assert data.fingerprint() != replace(data, inputs=other).fingerprint()


# --- held-out parts ---------------------------------------------------------------------------------------------------


def test_a_split_keeps_the_classes_proportions():
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    held = stratified(labels, 0.2, seed=3)
    assert labels[held].bincount().tolist() == [10, 6, 4]
    assert not torch.equal(held, stratified(labels, 0.2, seed=4))
    assert torch.equal(held, stratified(labels, 0.2, seed=3))


def test_small_classes_share_the_rounding():
    labels = torch.arange(10).repeat_interleave(3)
    assert len(stratified(labels, 0.1, seed=0)) == 3


def test_a_split_divides_the_samples(scores):
    train, held = split(labelled(scores), 0.25, seed=0)
    assert (len(train), len(held)) == (30, 10)
    assert not set(train.items[:, 0].tolist()) & set(held.items[:, 0].tolist())


def test_windows_of_a_trajectory_stay_together(decay):
    fields, inputs = arrays(batch=5)
    train, held = split(trajectories(decay, fields, TIMES, inputs=inputs).windows(2), 0.2, seed=0)
    assert (len(train), len(held)) == (12, 3)
    assert len(held.items[:, 0].unique()) == 1


def test_a_single_trajectory_is_divided_in_time(decay):
    fields, inputs = arrays(batch=1, frames=10)
    times = [1 + 0.1 * n for n in range(10)]
    data = trajectories(decay, fields, times, inputs=inputs)
    train, held = split(data, 0.3, seed=0)
    like = Network(decay).like
    batch, later = train.batch(torch.tensor([0]), like), held.batch(torch.tensor([0]), like)
    assert batch.states.shape[1] == 6
    assert batch.steps == 6
    assert later.states.shape[1] == 3
    assert later.frames == (7, 8, 9)
    np.testing.assert_allclose(later.states[0, :, 0], fields["u"][0, 7:])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0])
def test_a_share_out_of_range_is_refused(scores, share):
    with failing("N1119", "val"):
        split(labelled(scores), share, seed=0)


# --- what is no data --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [{"u": np.zeros((1, 2, 6))}, 3, None])
def test_a_fit_says_what_it_takes(decay, data):
    with pytest.raises(NpdeError, match=f"npde.train.trajectories.*This is a {type(data).__name__}"):
        fit(decay, data)


def test_one_frame_is_nothing_to_learn_from(decay):
    fields, inputs = arrays(frames=1)
    with failing("N1113", "second frame"):
        trajectories(decay, fields, [1.3], inputs=inputs, start="data")
    with failing("N1113", "second frame"):
        trajectories(decay, fields, [1.0], inputs=inputs, start="file")
    assert len(trajectories(decay, fields, [1.3], inputs=inputs, start="file")) == 3
