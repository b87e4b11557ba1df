"""Scores of recordings against enrolled guns, calibrated with whole guns left out.

A trial is a questioned recording against an enrolled gun. H1: that gun fired it (a recording of
another source than the references). H2: another gun did. What is new in use is the gun, so guns
are what counts as independent: the calibration of a trial is fitted on trials in which neither of
its two guns takes part, bounds take each gun as one observation, and intervals draw guns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError
from shotprint.evaluation.intervals import Resampling
from shotprint.likelihood.bounds import fit_elub
from shotprint.likelihood.calibrators import Affine, fit_affine
from shotprint.likelihood.metrics import measure
from shotprint.likelihood.trials import Floats, Trials, make_trials

Ints = NDArray[np.int64]
MIN_GUNS = 4  # two of a trial, and two to calibrate on


@dataclass(frozen=True, eq=False)
class EnrolmentTrials:
    """Questioned recordings against enrolled guns.

    Attributes
    ----------
    trials : scores; every pair of an enrolled gun and a source weighs the same
    enrolled, questioned : (n,) codes of the enrolled gun and of the one that fired
    n_references : (n,) recordings that the gun was enrolled from
    """

    trials: Trials
    enrolled: Ints
    questioned: Ints
    n_references: Ints

    @property
    def n_guns(self) -> int:
        """How many guns were enrolled."""
        return len(np.unique(self.enrolled))

    def pick(self, which: NDArray[Any]) -> "EnrolmentTrials":
        """Return some of the trials: a mask or places."""
        codes = (self.enrolled[which], self.questioned[which], self.n_references[which])
        return EnrolmentTrials(self.trials.pick(which), *codes)

    def with_llrs(self, llrs: Floats) -> "EnrolmentTrials":
        """Return the same trials with llrs in place of scores."""
        codes = (self.enrolled, self.questioned, self.n_references)
        return EnrolmentTrials(self.trials.with_values(llrs), *codes)


def collect_trials(
    scores: Floats, enrolled: Ints, questioned: Ints, groups: NDArray[Any], n_references: Ints
) -> EnrolmentTrials:
    """Weigh trials so that each enrolled gun, source and number of references counts once.

    Parameters
    ----------
    scores, enrolled, questioned, groups, n_references : (n,); the source of each questioned
        recording in `groups`

    Raises
    ------
    ShotprintError : fewer than four guns
    """
    if (n_guns := len(np.unique(enrolled))) < MIN_GUNS:
        raise ShotprintError(
            f"{n_guns} guns were left out in turn; calibrating needs {MIN_GUNS} or more"
        )
    _, group = np.unique(groups, return_inverse=True)
    cells = np.stack([enrolled, group, n_references], axis=1)
    _, cell, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    trials = make_trials(scores, enrolled == questioned, 1 / counts[cell.ravel()])
    return EnrolmentTrials(trials, enrolled, questioned, n_references)


def fit_trials(trials: EnrolmentTrials) -> tuple[Affine, float, float]:
    """Return the calibration of the scores and its bounds, each gun one observation."""
    fitted = fit_affine(trials.trials, trials.n_guns)
    llrs = trials.trials.with_values(fitted.apply(trials.trials.values))
    return fitted, *fit_elub(llrs, trials.n_guns)


def crossfit_trials(trials: EnrolmentTrials) -> EnrolmentTrials:
    """Return llrs, each by a calibration on trials without both of its guns, bounded."""
    llrs = np.full(len(trials.enrolled), np.nan)
    guns = np.union1d(trials.enrolled, trials.questioned).tolist()
    for one, other in product(guns, guns):
        mine = (trials.enrolled == one) & (trials.questioned == other)
        if not mine.any():
            continue
        touches = np.isin(trials.enrolled, (one, other)) | np.isin(trials.questioned, (one, other))
        fitted, lower, upper = fit_trials(trials.pick(~touches))
        llrs[mine] = np.clip(fitted.apply(trials.trials.values[mine]), lower, upper)
    return trials.with_llrs(llrs)


def bootstrap_trials(trials: EnrolmentTrials, resampling: Resampling) -> Floats:
    """Return slope and intercept refitted on guns drawn with replacement: (m, 2)."""
    fits = [fit_affine(drawn, trials.n_guns) for drawn in _draw(trials, resampling)]
    return np.array([(fit.slope, fit.intercept) for fit in fits])


def measure_trials(llrs: EnrolmentTrials, resampling: Resampling) -> dict[str, Any]:
    """Return every figure of `metrics.measure`, with an interval from guns that are drawn."""
    tables = [measure(drawn) for drawn in _draw(llrs, resampling)]
    tail = 50 * (1 - resampling.confidence)
    figures: dict[str, Any] = {}
    for name, value in measure(llrs.trials).items():
        ends = np.nanpercentile([table[name] for table in tables], [tail, 100 - tail])
        figures[name] = {"value": float(value), "interval": [float(end) for end in ends]}
    n_h1 = int(llrs.trials.is_h1.sum())
    n_h2 = len(llrs.enrolled) - n_h1
    return {"n_h1": n_h1, "n_h2": n_h2, "n_guns": llrs.n_guns, **figures}


def _draw(trials: EnrolmentTrials, resampling: Resampling) -> Iterator[Trials]:
    """Yield trials weighted by how often their guns were drawn."""
    guns = np.union1d(trials.enrolled, trials.questioned)
    enrolled, questioned = (
        np.searchsorted(guns, codes) for codes in (trials.enrolled, trials.questioned)
    )
    generator = np.random.default_rng(resampling.seed)
    n = len(guns)
    for times in generator.multinomial(n, np.full(n, 1 / n), resampling.n_resamples):
        other = np.where(trials.trials.is_h1, 1, times[questioned])
        weights = trials.trials.weights * times[enrolled] * other
        drawn = Trials(trials.trials.values, trials.trials.is_h1, weights).pick(weights > 0)
        if drawn.has_both:
            yield drawn
