"""How many guns: against a sum over all dealings, and where the answer is plain."""

import itertools

import numpy as np
import pytest

from shotprint.errors import ShotprintError
from shotprint.guns import cluster_shots, compute_set_likelihoods, count_guns, list_sets

CERTAIN = np.full((6, 4), 0.01) + np.eye(4)[[0, 0, 0, 1, 1, 1]] * 0.96


def sum_over_dealings(p, labels):
    """The likelihood of a set, by every way of dealing the shots to its guns so that all fire."""
    terms = [
        np.prod([p[i, k] for i, k in enumerate(dealing)])
        for dealing in itertools.product(labels, repeat=len(p))
        if set(dealing) == set(labels)
    ]
    return np.mean(terms)


def test_the_likelihood_is_the_mean_over_all_dealings():
    p = np.random.default_rng(0).dirichlet(np.ones(4), 5)
    sets = list_sets(4, 5)
    assert len(sets) == 4 + 6 + 4
    expected = [np.log(sum_over_dealings(p, labels)) for labels in sets]
    assert compute_set_likelihoods(p, sets) == pytest.approx(expected, abs=1e-9)


def test_two_guns_that_are_plain():
    found = count_guns(CERTAIN, correlation=0.0)
    assert found.n_probabilities.sum() == pytest.approx(1)
    assert found.n_probabilities.argmax() == 1
    assert found.sets[0] == (0, 1)
    assert found.shots.argmax(axis=1).tolist() == [0, 0, 0, 1, 1, 1]
    assert found.shots.sum(axis=1) == pytest.approx(1)


def test_one_gun_that_is_plain():
    found = count_guns(CERTAIN[:3])
    assert found.n_probabilities.argmax() == 0
    assert found.sets[0] == (0,)


def test_a_single_shot_is_of_one_gun():
    assert count_guns(CERTAIN[:1]).n_probabilities.tolist() == [1, 0, 0]


def test_shots_that_say_nothing_leave_the_number_open():
    even = np.full((5, 4), 0.25)
    assert count_guns(even).n_probabilities == pytest.approx([1 / 3] * 3, abs=1e-9)


def test_correlated_errors_make_it_less_sure():
    sure, careful = (count_guns(CERTAIN, c).n_probabilities[1] for c in (0.0, 0.5))
    assert sure > careful > 1 / 3


def test_impossible_models_and_no_shot():
    p = np.array([[1.0, 0, 0], [1.0, 0, 0]])
    assert np.isfinite(count_guns(p).set_probabilities).all()
    with pytest.raises(ShotprintError, match="no shot"):
        count_guns(np.zeros((0, 3)))


def test_shots_are_clustered_as_average_linkage_of_scipy_does():
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    distance = pytest.importorskip("scipy.spatial.distance")
    rng = np.random.default_rng(0)
    for n in (2, 5, 12, 30):
        llrs = rng.standard_normal((n, n)) + 0.3
        llrs = (llrs + llrs.T) / 2
        np.fill_diagonal(llrs, 0)
        far = distance.squareform(10 - llrs - 10 * np.eye(n), checks=False)
        expected = hierarchy.fcluster(hierarchy.linkage(far, "average"), 10, "distance")
        found = cluster_shots(llrs)
        assert ((found[:, None] == found) == (expected[:, None] == expected)).all()
        assert len(set(found.tolist())) == found.max() + 1


def test_shots_of_two_guns_fall_apart():
    llrs = np.array([[0, 1, -1, -1], [1, 0, -1, -1], [-1, -1, 0, 1], [-1, -1, 1, 0]], float)
    assert cluster_shots(llrs).tolist() == [0, 0, 1, 1]
    assert cluster_shots(np.zeros((1, 1))).tolist() == [0]
    assert cluster_shots(np.ones((3, 3))).tolist() == [0, 0, 0]
