"""Two recordings: one model of gun or two? From the probabilities of both to one score.

H1: one of the listed models fired in both recordings. H2: two different listed models did. The
models are equally probable beforehand. With the probabilities p and q that a model gives for the
two (equal priors, so that they are proportional to the likelihoods), K models, S = Σ_k p(k) q(k):

    P(both | H1) / P(both | H2) = (K − 1) S / (1 − S)

because under H1 the model k is any of the K, and under H2 any of the K (K − 1) ordered pairs. The
score is its log10; like any score it becomes a likelihood ratio only by calibration on recordings
of which the truth is known. That the *same* gun fired, not another one of the same model, it cannot
say.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shotprint.errors import ShotprintError

MIN_SHARE = 1e-9  # S and 1 − S below this count as this


def compute_pair_scores(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Return the log10 ratio (…) that the probabilities of pairs of recordings imply.

    Parameters
    ----------
    first, second : (…, k) each sums to one; k at least 2

    Raises
    ------
    ShotprintError : fewer than two models
    """
    p, q = np.asarray(first, float), np.asarray(second, float)
    n_models = p.shape[-1]
    if n_models < 2:
        raise ShotprintError(
            f"{n_models} listed model; two recordings can be compared only by a model that knows "
            "two or more"
        )
    same = np.clip((p * q).sum(axis=-1), MIN_SHARE, 1 - MIN_SHARE)
    return np.asarray(np.log10((n_models - 1) * same / (1 - same)))
