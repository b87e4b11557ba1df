"""Nearness to references: against von Mises–Fisher densities of SciPy."""

import json

import numpy as np
import pytest
from scipy.stats import vonmises_fisher

from shotprint.errors import ShotprintError
from shotprint.references import CONCENTRATION, ReferenceSpace, fit_space

LABELS = ["a", "b", "c"]


@pytest.fixture(scope="module")
def space():
    rng = np.random.default_rng(0)
    means = 3 * rng.standard_normal((3, 4))
    truth = np.repeat(np.arange(3), 30)
    return fit_space(means[truth] + rng.standard_normal((90, 4)) + 7, [LABELS[i] for i in truth])


def test_the_score_is_the_log_ratio_of_von_mises_fisher_densities(space):
    rng = np.random.default_rng(1)
    questioned, references = rng.standard_normal((5, 4)) + 7, rng.standard_normal((3, 4)) + 7
    x = (questioned - space.mean) / space.scale
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    r = (references - space.mean) / space.scale
    r = (r / np.linalg.norm(r, axis=1, keepdims=True)).mean(axis=0)
    own = vonmises_fisher(r / np.linalg.norm(r), CONCENTRATION).logpdf(x)
    listed = [vonmises_fisher(c, CONCENTRATION).pdf(x) for c in space.cohort]
    expected = (own - np.log(np.mean(listed, axis=0))) / np.log(10)
    assert space.score(questioned, references) == pytest.approx(expected)
    without_b = (own - np.log(np.mean([listed[0], listed[2]], axis=0))) / np.log(10)
    assert space.score(questioned, references, ["b"]) == pytest.approx(without_b)


def test_no_listed_model_left_is_an_error(space):
    with pytest.raises(ShotprintError, match="no other listed model"):
        space.score(np.ones(4), np.ones((1, 4)), LABELS)


def test_it_is_stored_with_six_digits_and_damage_is_found(space):
    content = json.loads(json.dumps(space.to_mapping()))
    again = ReferenceSpace.from_mapping(content)
    x, r = np.full(4, 6.0), np.array([[8.0, 7, 6, 9]])
    assert again.score(x, r) == pytest.approx(space.score(x, r), abs=1e-4)
    assert again.labels == ("a", "b", "c")
    for damage in ({"mean": [1.0]}, {"scale": [0.0] * 4}):
        with pytest.raises(ValueError, match="sizes"):
            ReferenceSpace.from_mapping({**content, **damage})
