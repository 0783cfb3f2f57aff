"""One split of real handwritten digits for each example that classifies: a few minutes on two cores."""

from __future__ import annotations

import pytest

from benchmarks.digits import splits
from demo.digits import RECIPES, images, learn

LOWEST = {"parabolic_cnn": 0.95, "neural_field": 0.95, "rows": 0.93, "diffractive": 0.93}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(LOWEST))
def test_an_example_reads_handwritten_digits(name):
    outcome = learn(name, *splits()[0])
    assert outcome.accuracy >= LOWEST[name]


def test_the_splits_are_stratified_and_cover_every_image_once():
    _, digits = images()
    found = splits()
    assert sorted(int(k) for _, test in found for k in test) == list(range(len(digits)))
    for train, test in found:
        assert not set(train) & set(test)
        counts = digits[test].bincount(minlength=10)
        assert int(counts.max() - counts.min()) <= 4


@pytest.mark.parametrize("name", list(RECIPES))
def test_images_have_the_shape_of_the_input(name):
    import npde
    from demo.paths import example

    recipe = RECIPES[name]
    pixels, _ = images()
    shape = npde.load(example(name)).compile().inputs[recipe.input]
    encoded = recipe.encode(pixels[:3])
    assert all(wanted in (None, found) for wanted, found in zip(shape, encoded.shape[1:], strict=True))
    assert float(encoded.max()) == 1.0
