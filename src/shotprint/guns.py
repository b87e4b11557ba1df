"""How many guns fired the shots of a recording, and which shot is whose.

Hypotheses are sets of G listed models: every one of the set fired at least one shot, and each
shot is by any of them with the same probability. Sets of one size, and sizes of 1 to a most, are
as probable as each other before the shots are heard. With the calibrated probabilities p_i(k) of
n shots (equal priors, so that p_i(k) is proportional to the likelihood of model k) the likelihood
of a set S is

    L(S) = Σ over T ⊆ S of (−1)^(G−|T|) Π_i Σ_{k∈T} p_i(k), over the number of ways in which n
    shots can be dealt to G guns so that each has one

(inclusion and exclusion of the guns that did not fire). Errors of shots of one gun are alike, so
many shots say less than their product: L counts to the power 1 / (1 + (n − 1) ρ), where ρ is
fitted on shots of which it is known whose they are (`shotprint calibrate`). Two guns of one model
cannot be told apart and count as one.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError

Floats = NDArray[np.float64]

MAX_GUNS = 3
CORRELATION = 0.04
"""What `shotprint calibrate` found for the shipped model; for models that state none."""
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class GunCount:
    """What the shots of a recording say of the guns.

    Attributes
    ----------
    n_probabilities : (max,) of 1, 2, … guns
    sets : places of the labels of each set, the most probable first
    set_probabilities : of `sets`
    shots : (n, k) the probability of each model for each shot, with the others taken into account
    """

    n_probabilities: Floats
    sets: tuple[tuple[int, ...], ...]
    set_probabilities: Floats
    shots: Floats


def list_sets(n_labels: int, n_shots: int, max_guns: int = MAX_GUNS) -> list[tuple[int, ...]]:
    """Return every set of 1 to `max_guns` labels that `n_shots` shots can be of."""
    most = min(max_guns, n_shots, n_labels)
    return [s for size in range(1, most + 1) for s in combinations(range(n_labels), size)]


def compute_set_likelihoods(probabilities: Floats, sets: list[tuple[int, ...]]) -> Floats:
    """Return the log-likelihood (n_sets,) of each set; see the module.

    Parameters
    ----------
    probabilities : (n_shots, k) calibrated, of single shots
    """
    n = len(probabilities)
    floor = np.maximum(probabilities, 1e-9)
    results = np.empty(len(sets))
    sizes = np.array([len(labels) for labels in sets])
    for size in sorted(set(sizes.tolist())):
        places = np.flatnonzero(sizes == size)
        own = floor[:, np.array([sets[place] for place in places])]  # (n_shots, n_sets, size)
        whole = own.sum(axis=2)
        share = np.zeros(len(places))  # of dealings in which each gun fired, by their likelihood
        dealings = 0.0
        for used in range(1, size + 1):
            sign = (-1) ** (size - used)
            dealings += sign * math.comb(size, used) * (used / size) ** n
            for some in combinations(range(size), used):
                share += sign * np.exp(np.log(own[:, :, some].sum(axis=2) / whole).sum(axis=0))
        likelihood = np.log(np.maximum(share, _TINY) / dealings)
        results[places] = np.log(whole / size).sum(axis=0) + likelihood
    return results


def weigh_sets(
    log_likelihoods: Floats, sizes: NDArray[np.int64], n_shots: int, correlation: float
) -> Floats:
    """Return the probability (n_sets,) of each set; sizes are equally probable beforehand."""
    power = 1 / (1 + (n_shots - 1) * correlation)
    weights = power * log_likelihoods - np.log(np.bincount(sizes)[sizes])
    odds = np.exp(weights - weights.max())
    return np.asarray(odds / odds.sum())


def count_guns(
    probabilities: Floats, correlation: float = CORRELATION, max_guns: int = MAX_GUNS
) -> GunCount:
    """Return how many guns fired, and which.

    Parameters
    ----------
    probabilities : (n_shots, k) calibrated, of single shots; at least one shot
    correlation : ρ of the module, 0…1
    max_guns : the most that is considered
    """
    if not len(probabilities):
        raise ShotprintError("there is no shot to tell guns from; at least one is needed")
    sets = list_sets(probabilities.shape[1], len(probabilities), max_guns)
    likelihoods = compute_set_likelihoods(probabilities, sets)
    sizes = np.array([len(labels) for labels in sets])
    weights = weigh_sets(likelihoods, sizes, len(probabilities), correlation)
    n_probabilities = np.array([weights[sizes == n].sum() for n in range(1, max_guns + 1)])
    shots = np.zeros_like(probabilities)
    for labels, weight in zip(sets, weights.tolist(), strict=True):
        own = np.maximum(probabilities[:, labels], 1e-9)
        shots[:, labels] += weight * own / own.sum(axis=1, keepdims=True)
    order = np.argsort(-weights, kind="stable")
    ranked = tuple(sets[place] for place in order.tolist())
    return GunCount(n_probabilities, ranked, weights[order], shots)


def cluster_shots(llrs: Floats) -> NDArray[np.int64]:
    """Return the cluster (n,) of each shot, numbered from 0 in the order of the shots.

    Average linkage: the two clusters with the highest mean log10 likelihood ratio of "one model"
    against "two models" are joined as long as it is above 0.

    Parameters
    ----------
    llrs : (n, n), symmetric; the diagonal counts for nothing
    """
    sums = np.array(llrs, float)
    np.fill_diagonal(sums, -np.inf)
    sizes, cluster = np.ones(len(sums)), np.arange(len(sums))
    while len(sums) > 1:
        means = sums / np.outer(sizes, sizes)
        first, second = sorted(np.unravel_index(int(means.argmax()), means.shape))
        if means[first, second] <= 0:
            break
        sums[first] += sums[second]
        sums[:, first] = sums[first]
        sums[first, first] = -np.inf
        sums = np.delete(np.delete(sums, second, 0), second, 1)
        sizes[first] += sizes[second]
        sizes = np.delete(sizes, second)
        cluster[cluster == second] = first
        cluster[cluster > second] -= 1
    return cluster
