"""Calibrate scores of each recording without any recording of its group."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError
from shotprint.likelihood.bounds import fit_elub
from shotprint.likelihood.calibrators import Calibrator, fit_affine
from shotprint.likelihood.claims import Claims
from shotprint.likelihood.trials import Floats, Trials

N_PARTS = 5  # of groups, where the predictions have no folds that keep groups whole


@dataclass(frozen=True)
class Fit:
    """A calibration and its bounds.

    Attributes
    ----------
    calibrator : scores → llrs, without bounds
    lower, upper : bounds of the llr
    n_recordings, n_groups : what it was fitted on
    """

    calibrator: Calibrator
    lower: float
    upper: float
    n_recordings: int
    n_groups: int


FitCalibrator = Callable[[Trials, float], Calibrator]


def fit_bounded(claims: Claims, which: NDArray, fit: FitCalibrator = fit_affine) -> Fit:
    """Fit a calibration and its bounds on some recordings, each group one observation.

    Parameters
    ----------
    which : (n,) mask of the recordings to fit on
    fit : trials and number of groups → calibrator
    """
    trials = claims.to_trials().pick(claims.repeat(which))
    n_groups = len(np.unique(claims.groups[which]))
    calibrator = fit(trials, n_groups)
    llrs = trials.with_values(calibrator.apply(trials.values))
    lower, upper = fit_elub(llrs, n_groups)
    return Fit(calibrator, lower, upper, int(which.sum()), n_groups)


@dataclass(frozen=True, eq=False)
class Crossfit:
    """What each part of the recordings was calibrated with.

    Attributes
    ----------
    by : ``fold`` or ``group``: what parts are
    parts : name → fit on all recordings of other parts
    member : (n,) name of the part of each recording
    """

    by: str
    parts: dict[str, Fit]
    member: NDArray[np.str_]

    def apply(self, claims: Claims, *, bounded: bool = True) -> Floats:
        """Return llrs (n, v), each by a calibration that did not see its group."""
        llrs = np.empty(claims.scores.shape)
        for name, fit in self.parts.items():
            inside = self.member == name
            found = fit.calibrator.apply(claims.scores[inside].ravel())
            found = np.clip(found, fit.lower, fit.upper) if bounded else found
            llrs[inside] = found.reshape(claims.scores[inside].shape)
        return llrs


def crossfit(
    claims: Claims, parts: tuple[str, NDArray[np.str_]], fit: FitCalibrator = fit_affine
) -> Crossfit:
    """Fit one calibration a part, on all recordings outside it.

    Parameters
    ----------
    parts : what `choose_parts` returns
    """
    by, member = parts
    fits = {name: fit_bounded(claims, member != name, fit) for name in np.unique(member).tolist()}
    return Crossfit(by, fits, member)


def choose_parts(
    claims: Claims, seed: int = 0
) -> tuple[tuple[str, NDArray[np.str_]], tuple[str, ...]]:
    """Return what is held out at a time: the folds where they keep groups whole, else groups.

    Returns
    -------
    (``fold`` or ``group``, name of the part of each recording), and warnings

    Raises
    ------
    ShotprintError : a single group
    """
    folds, groups = claims.folds, claims.groups
    warnings: tuple[str, ...] = ()
    if folds is not None and len(set(folds.tolist())) > 1 and np.all(folds != ""):
        pairs = set(zip(groups.tolist(), folds.tolist(), strict=True))
        if len(pairs) == len(set(groups.tolist())):
            return ("fold", folds), ()
        warnings = (
            "folds tear groups apart: the network was trained on groups that it is tested on, so "
            "every figure here is too good; calibrations are fitted on other groups all the same",
        )
    names = np.unique(groups)
    if len(names) < 2:
        raise ShotprintError(
            f"all recordings belong to one group ({names[0]}); likelihood ratios need recordings "
            "of other groups to be calibrated on"
        )
    return ("group", _deal(groups, names, seed)), warnings


def _deal(groups: NDArray, names: NDArray, seed: int) -> NDArray[np.str_]:
    """Deal whole groups to parts of about the same number of recordings, the largest first."""
    n_parts = min(N_PARTS, len(names))
    sizes = {name: int((groups == name).sum()) for name in names}
    shuffled = np.random.default_rng(seed).permutation(names)
    held, part_of = np.zeros(n_parts), {}
    for name in sorted(shuffled.tolist(), key=lambda name: -sizes[name]):
        part = int(held.argmin())
        held[part] += sizes[name]
        part_of[name] = str(part)
    return np.array([part_of[name] for name in groups.tolist()])
