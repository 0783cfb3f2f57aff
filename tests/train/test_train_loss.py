"""Losses and errors against their formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from npde.diagnostics import DiagnosticError
from npde.train import CrossEntropy, MeanSquare, Network, RelativeL2, evaluate, supervised, trajectories
from npde.train.loss import batch_loss, chosen

RNG = np.random.default_rng(2)
P, Q = RNG.normal(size=(4, 3, 5)), RNG.normal(size=(4, 3, 5))
MASK = RNG.random((4, 3, 5)) < 0.6


def torch_of(*arrays):
    return [torch.as_tensor(a) for a in arrays]


def test_mean_square():
    p, q, mask = torch_of(P, Q, MASK)
    assert float(MeanSquare()(p, q, None)) == pytest.approx(np.mean((P - Q) ** 2))
    assert float(MeanSquare()(p, q, mask)) == pytest.approx(np.mean(((P - Q) ** 2)[MASK]))


def test_mean_square_of_complex_numbers():
    p, q = torch_of(P + 1j * Q, Q - 2j * P)
    assert float(MeanSquare()(p, q, None)) == pytest.approx(np.mean(np.abs(P + 1j * Q - Q + 2j * P) ** 2))


def test_relative_l2():
    p, q, mask = torch_of(P, Q, MASK)

    def norm(a):
        return np.sqrt((a**2).reshape(4, -1).sum(1))

    assert float(RelativeL2()(p, q, None)) == pytest.approx(np.mean(norm(P - Q) / norm(Q)))
    assert float(RelativeL2()(p, q, mask)) == pytest.approx(np.mean(norm((P - Q) * MASK) / norm(Q * MASK)))


def test_relative_l2_has_finite_gradients_where_it_is_zero():
    p = torch.tensor([[1.0, 2.0], [0.0, 0.0]], requires_grad=True)
    RelativeL2()(p, p.detach().clone(), None).backward()
    assert bool(torch.isfinite(p.grad).all())


def test_relative_l2_of_a_sample_that_is_zero_is_absolute():
    p, q = torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2)
    assert float(RelativeL2()(p, q, None)) == pytest.approx(5.0)


def test_cross_entropy_with_smoothing():
    scores, classes = torch.as_tensor(P[:, :, 0]), torch.tensor([0, 2, 1, 1])
    logs = P[:, :, 0] - np.log(np.exp(P[:, :, 0]).sum(1, keepdims=True))
    wanted = 0.9 * logs[range(4), classes.numpy()] + 0.1 * logs.mean(1)
    assert float(CrossEntropy(0.1)(scores, classes, None)) == pytest.approx(-wanted.mean())


def test_cross_entropy_of_a_sequence_compares_each_step():
    scores, classes = torch.as_tensor(P), torch.randint(0, 5, (4, 3), generator=torch.Generator().manual_seed(0))
    flat = CrossEntropy()(scores.reshape(12, 5), classes.reshape(12), None)
    assert float(CrossEntropy()(scores, classes, None)) == pytest.approx(float(flat))


# --- of a module ------------------------------------------------------------------------------------------------------


def observed(decay, noise=0.0):
    """What the module itself would give, for three samples."""
    rng = np.random.default_rng(0)
    s = rng.normal(size=(3, 20))
    with torch.no_grad():
        states = decay.march(torch.as_tensor(s), steps=20, every=4).numpy()
    states = states + noise * rng.normal(size=states.shape)
    fields = {"u": states[:, :, 0], "psi": states[:, :, 1] + 1j * states[:, :, 2]}
    return fields, {"s": s}, [1 + 0.4 * n for n in range(6)]


def loss_of(decay, data, loss="mse"):
    network = Network(decay)
    (batch,) = data.in_order(len(data), network.like)
    return float(batch_loss(network, chosen(loss, data), batch).detach())


@pytest.mark.parametrize("start", ["data", "file"])
def test_the_module_that_made_the_data_has_no_loss(decay, start):
    fields, inputs, times = observed(decay)
    data = trajectories(decay, fields, times, inputs=inputs, start=start)
    assert loss_of(decay, data) == pytest.approx(0, abs=1e-25)


def test_windows_see_the_inputs_of_their_own_steps(decay):
    fields, inputs, times = observed(decay)
    data = trajectories(decay, fields, times, inputs=inputs, start="data").windows(3, 1)
    network = Network(decay)
    for batch in data.in_order(3, network.like):
        assert float(batch_loss(network, MeanSquare(), batch).detach()) == pytest.approx(0, abs=1e-25)


def test_a_field_counts_as_much_as_another(decay):
    fields, inputs, times = observed(decay)
    with torch.no_grad():
        decay.raw_k += 0.1
        decay.w += 0.2
    whole = loss_of(decay, trajectories(decay, fields, times, inputs=inputs, start="file"))
    parts = [
        loss_of(decay, trajectories(decay, {name: fields[name]}, times, inputs=inputs, start="file")) for name in fields
    ]
    assert whole == pytest.approx(np.mean(parts))


def test_masked_values_play_no_part(decay):
    fields, inputs, times = observed(decay)
    spoiled = fields["u"].copy()
    spoiled[1, 3, 4] = 1e6
    seen = np.ones(spoiled.shape, bool)
    seen[1, 3, 4] = False
    data = trajectories(decay, {**fields, "u": spoiled}, times, inputs=inputs, mask={"u": seen}, start="file")
    assert loss_of(decay, data) == pytest.approx(0, abs=1e-25)
    assert loss_of(decay, data, "relative_l2") == pytest.approx(0, abs=1e-12)


def test_losses_that_cannot_compare_are_refused(decay, scores):
    fields, inputs, times = observed(decay)
    with pytest.raises(DiagnosticError, match="N1117"):
        loss_of(decay, trajectories(decay, fields, times, inputs=inputs), "cross_entropy")
    with pytest.raises(DiagnosticError, match=r"N1118.*'mae'"):
        loss_of(decay, trajectories(decay, fields, times, inputs=inputs), "mae")
    features = {"features": torch.zeros(4, 4)}
    with pytest.raises(DiagnosticError, match="N1117"):
        loss_of(scores, supervised(scores, features, torch.tensor([0, 1, 2, 0])), "mse")
    with pytest.raises(DiagnosticError, match=r"N1116.*3.*0 … 2"):
        loss_of(scores, supervised(scores, features, torch.tensor([0, 1, 3, 0])), "cross_entropy")
    with pytest.raises(DiagnosticError, match="N1110"):
        loss_of(scores, supervised(scores, features, torch.zeros(4, 2)), "mse")


# --- evaluate ---------------------------------------------------------------------------------------------------------


def test_errors_of_trajectories(decay):
    fields, inputs, times = observed(decay, noise=0.1)
    with torch.no_grad():
        predicted = decay.march(torch.as_tensor(inputs["s"]), steps=20, every=4).numpy()
    metrics = evaluate(decay, trajectories(decay, fields, times, inputs=inputs, start="file"), batch=2)
    error = predicted[:, :, 0] - fields["u"]
    assert metrics.errors["u"].rmse == pytest.approx(np.sqrt(np.mean(error**2)))
    assert metrics.errors["u"].relative_l2 == pytest.approx(np.sqrt((error**2).sum() / (fields["u"] ** 2).sum()))
    by_frame = np.sqrt((error**2).sum((0, 2)) / (fields["u"] ** 2).sum((0, 2)))
    np.testing.assert_allclose(metrics.by_frame["u"], by_frame)
    assert metrics.errors["psi"].count == 2 * 3 * 6 * 6
    assert metrics.accuracy is None


def test_errors_count_what_was_observed_only(decay):
    fields, inputs, times = observed(decay, noise=0.1)
    seen = np.zeros(fields["u"].shape, bool)
    seen[:, 2] = True
    with torch.no_grad():
        predicted = decay.march(torch.as_tensor(inputs["s"]), steps=20, every=4).numpy()
    data = trajectories(decay, {"u": fields["u"]}, times, inputs=inputs, mask={"u": seen}, start="file")
    metrics = evaluate(decay, data)
    assert metrics.errors["u"].rmse == pytest.approx(np.sqrt(np.mean((predicted[:, 2, 0] - fields["u"][:, 2]) ** 2)))
    assert "psi" not in metrics.errors


def test_accuracy_and_confusion(scores):
    features = torch.randn(50, 4, generator=torch.Generator().manual_seed(3))
    classes = torch.arange(50) % 3
    metrics = evaluate(scores, supervised(scores, {"features": features}, classes), batch=16)
    predicted = scores(features).argmax(1)
    assert metrics.accuracy == pytest.approx(float((predicted == classes).double().mean()))
    table = np.zeros((3, 3), int)
    np.add.at(table, (classes.numpy(), predicted.numpy()), 1)
    assert np.array_equal(metrics.confusion, table)
    assert metrics.loss == pytest.approx(
        float(torch.nn.functional.cross_entropy(scores(features), classes).detach()), rel=1e-5
    )


def test_real_outputs_have_errors_and_no_accuracy(scores):
    features = torch.randn(5, 4, generator=torch.Generator().manual_seed(3))
    targets = scores(features).detach() + 0.5
    metrics = evaluate(scores, supervised(scores, {"features": features}, {"y": targets}))
    assert metrics.errors["y"].rmse == pytest.approx(0.5, rel=1e-5)
    assert metrics.accuracy is None
