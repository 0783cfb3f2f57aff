"""`memory`: gradients of torch's own march within a number of bytes, counted storage by storage."""

from __future__ import annotations

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import npde
from npde.settings import OptionError
from npde.settings import memory as bytes_of
from tests.comparison import EXAMPLES


class Storages(TorchDispatchMode):
    """The most bytes of storages that are alive at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0
        self.known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = function(*args, **(kwargs or {}))
        for value in tree_leaves(out):
            if isinstance(value, torch.Tensor) and value.untyped_storage() not in self.known:
                storage = value.untyped_storage()
                self.known.add(storage)
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self.release, storage.nbytes())
        return out

    def release(self, size: int) -> None:
        self.now -= size


def trained(net, steps: int, every: int | None) -> tuple[int, list[torch.Tensor]]:  # type: ignore[no-untyped-def]
    """Bytes that a march and its gradient add, and the gradients."""
    parameters = list(net.parameters())
    with Storages() as counted:
        loss = net.march(net.initial_state(2), steps=steps, every=every).square().mean()
        gradients = torch.autograd.grad(loss, parameters)
        del loss
    return counted.most, list(gradients)


def compiled(example: str, march: str, **how: object):  # type: ignore[no-untyped-def]
    model = npde.load(EXAMPLES / f"{example}.npde")
    return model.compile(grid={"x": 32, "y": 32}, march=march, dtype=torch.float64, backend="torch", **how)


@pytest.mark.parametrize(
    "example, march, every",
    [("fisher", "rk4, steps: 400", None), ("gray_scott", "ab2, steps: 2000", 20), ("fisher", "euler, steps: 2000", 3)],
)
def test_what_is_added_stays_below_the_budget(example: str, march: str, every: int | None) -> None:
    everything, expected = trained(compiled(example, march), 60, every)
    tried = set()
    for part in (1.1, 0.5, 0.2, 0.12, 0.08, 0.06):
        budget = int(everything * part)
        net = compiled(example, march, memory=budget)
        try:
            added, gradients = trained(net, 60, every)
        except npde.NpdeError as error:
            assert "N1022" in str(error)
            continue
        assert added <= budget
        for a, b in zip(expected, gradients, strict=True):
            torch.testing.assert_close(b, a, rtol=1e-12, atol=0)
        tried |= {*net._rollout.lengths.values()}
    assert {len(lengths) for lengths in tried} >= {0, 1}


def test_nested_segments_need_less_than_one_length() -> None:
    net = compiled("fisher", "rk4, steps: 400")
    added = {}
    for lengths in ((8,), (20, 4), (27, 9, 3)):
        net._lengths = lambda *_, found=lengths: found
        added[lengths], _ = trained(net, 60, None)
    assert added[8,] > added[20, 4] > added[27, 9, 3]


def test_a_budget_that_is_too_small() -> None:
    net = compiled("fisher", "rk4, steps: 400", memory="20 kB")
    with pytest.raises(npde.NpdeError, match=r"N1022.*at least .* KiB of memory here, but `memory` allows 19.5 KiB"):
        net(steps=60)
    with torch.no_grad():
        net(steps=60)


@pytest.mark.parametrize(
    "text, size",
    [("200 MB", 200_000_000), ("1.5 GiB", 3 * 2**29), ("10kB", 10_000), ("64", 64), (4096, 4096), (None, None)],
)
def test_sizes(text: object, size: int | None) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("wrong", ["much", "-1 MB", "0 B", 0, True, 1.5, "1 MB more", "1e400 MB", []])
def test_what_is_no_size(wrong: object) -> None:
    with pytest.raises(OptionError, match="'memory'"):
        bytes_of(wrong)


def test_a_budget_and_a_number_of_steps() -> None:
    with pytest.raises(OptionError, match="give one of them"):
        compiled("fisher", "rk4, steps: 400", memory="1 GB", checkpoint=3)
