"""The whole validation: from out-of-fold predictions to llrs, figures and a calibration to use."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.evaluation.columns import (
    NO_VALUE,
    choose_columns,
    mark_values,
    require_columns,
    sort_values,
)
from shotprint.evaluation.intervals import Resampling
from shotprint.evaluation.predictions import Predictions
from shotprint.evaluation.summary import FEW_GROUPS
from shotprint.evidence import Evidence, Hypothesis, LikelihoodCalibration
from shotprint.firearms import Firearm
from shotprint.likelihood.calibrators import CALIBRATORS, Affine, Calibrator
from shotprint.likelihood.claims import Claims, make_claims
from shotprint.likelihood.crossfitting import Crossfit, Fit, choose_parts, crossfit, fit_bounded
from shotprint.likelihood.intervals import bootstrap_affine, bootstrap_figures
from shotprint.likelihood.metrics import compute_cllr, measure
from shotprint.likelihood.trials import Floats, Trials

SCHEMA = "shotprint-validation/1"
MIN_RECORDINGS = 10  # below, a condition gets no figures
MIN_GROUPS = 3  # below, they get no intervals
DEFAULT_RESAMPLING = Resampling(n_resamples=1000)
_NOT_CONDITIONS = ("fold", "group")

Report = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What a validation is asked for.

    Attributes
    ----------
    hypothesis : what H1 and H2 are about
    conditions : columns to show figures by; None for those that are worth it
    resampling : of the intervals of figures
    n_replicates : of slope and intercept, for the intervals of llrs
    predictions_sha256 : of the file of predictions
    """

    hypothesis: Hypothesis = "model"
    conditions: Sequence[str] | None = None
    resampling: Resampling = DEFAULT_RESAMPLING
    n_replicates: int = 400
    predictions_sha256: str = ""


@dataclass(frozen=True, eq=False)
class Validation:
    """What a validation found.

    Attributes
    ----------
    report : every figure as plain values ready for JSON
    claims : scores and truth of n recordings for v values
    parts : (n,) what each recording was held out with
    evidence : llrs (n, v) with intervals, none by a calibration that saw the recording's group
    calibration : fitted on all recordings, for use on other ones
    """

    report: Report
    claims: Claims
    parts: NDArray[np.str_]
    evidence: Evidence
    calibration: LikelihoodCalibration

    @property
    def trials(self) -> Trials:
        """The llrs (n · v,) with their truth."""
        return self.claims.to_trials(self.evidence.llr)


def validate(
    predictions: Predictions, firearms: Mapping[str, Firearm], settings: Settings = Settings()
) -> Validation:
    """Calibrate with whole groups left out, and measure the llrs that come of it.

    Raises
    ------
    ShotprintError : what `make_claims` and `choose_parts` raise, or no such condition
    """
    names = _choose_conditions(predictions, settings.conditions)
    claims = make_claims(predictions, settings.hypothesis, firearms)
    chosen, warnings = choose_parts(claims, settings.resampling.seed)
    fitted = crossfit(claims, chosen)
    evidence = _apply_all(claims, fitted, settings)
    n_groups = len(np.unique(claims.groups))
    if n_groups < FEW_GROUPS:
        warnings += (f"only {n_groups} groups: do not trust an interval from so few",)
    everyone = np.ones(len(claims.truth), bool)
    report = {
        "schema": SCHEMA,
        "hypothesis": _describe_hypothesis(claims),
        "n_recordings": len(claims.truth),
        "n_groups": n_groups,
        "n_simulated": predictions.n_simulated,
        "min_recordings": MIN_RECORDINGS,
        "min_groups": MIN_GROUPS,
        "resampling": {
            "n_resamples": settings.resampling.n_resamples,
            "seed": settings.resampling.seed,
            "confidence": settings.resampling.confidence,
            "n_replicates": settings.n_replicates,
        },
        "crossfit": _describe_crossfit(fitted),
        "all": _measure_part(claims, evidence.llr, everyone, settings.resampling),
        "steps": _measure_steps(claims, fitted, evidence.llr),
        "calibrators": _compare_calibrators(claims, chosen),
        "conditions": {
            name: _measure_condition(
                claims, evidence.llr, predictions.columns[name], settings.resampling
            )
            for name in names
        },
        "warnings": [*claims.warnings, *warnings],
    }
    calibration = _make_calibration(claims, fit_bounded(claims, everyone), everyone, settings)
    return Validation(report, claims, fitted.member, evidence, calibration)


def _choose_conditions(predictions: Predictions, asked: Sequence[str] | None) -> tuple[str, ...]:
    if asked is not None:
        return require_columns(predictions, asked)
    return tuple(name for name in choose_columns(predictions) if name not in _NOT_CONDITIONS)


def _apply_all(claims: Claims, fitted: Crossfit, settings: Settings) -> Evidence:
    """Return llrs (n, v) with intervals, each part's by the calibration of the others."""
    llr, low, high = np.empty((3, *claims.scores.shape))
    is_bounded = np.empty(claims.scores.shape, bool)
    for name, fit in fitted.parts.items():
        inside = fitted.member == name
        found = _make_calibration(claims, fit, ~inside, settings).apply(claims.scores[inside])
        llr[inside], low[inside], high[inside] = found.llr, found.low, found.high
        is_bounded[inside] = found.is_bounded
    return Evidence(llr, low, high, is_bounded)


def _make_calibration(
    claims: Claims, fit: Fit, which: NDArray[np.bool_], settings: Settings
) -> LikelihoodCalibration:
    """Add to a fit on some recordings (mask (n,)) what it is about and how sure it is."""
    assert isinstance(fit.calibrator, Affine)
    resampling = dataclasses.replace(settings.resampling, n_resamples=settings.n_replicates)
    trials = claims.to_trials().pick(claims.repeat(which))
    replicates = bootstrap_affine(
        trials, claims.repeat(claims.groups)[claims.repeat(which)], resampling
    )
    return LikelihoodCalibration(
        hypothesis=claims.hypothesis,
        values=claims.guns,
        slope=fit.calibrator.slope,
        intercept=fit.calibrator.intercept,
        lower=fit.lower,
        upper=fit.upper,
        replicates=tuple((float(a), float(b)) for a, b in replicates),
        confidence=resampling.confidence,
        n_recordings=fit.n_recordings,
        n_groups=fit.n_groups,
        predictions_sha256=settings.predictions_sha256,
    )


def _measure_part(
    claims: Claims, llrs: Floats, which: NDArray[np.bool_], resampling: Resampling
) -> Report:
    """Return figures of some recordings (mask (n,)) with intervals, or why there are none."""
    n, n_groups = int(which.sum()), len(np.unique(claims.groups[which]))
    counts = {"n_recordings": n, "n_groups": n_groups}
    if n < MIN_RECORDINGS:
        remark = f"too few recordings: {n}, figures need {MIN_RECORDINGS}"
        return {**counts, "remark": remark, "figures": None}
    trials = claims.to_trials(llrs).pick(claims.repeat(which))
    groups = claims.repeat(claims.groups)[claims.repeat(which)]
    few = n_groups < MIN_GROUPS
    intervals = {} if few else bootstrap_figures(trials, groups, resampling)
    figures = {
        name: {
            "value": _number(value),
            "interval": None if few else [_number(end) for end in intervals[name]],
        }
        for name, value in measure(trials).items()
    }
    why = f"too few groups: {n_groups}, intervals need {MIN_GROUPS}" if few else None
    return {**counts, "remark": why, "figures": figures}


def _measure_condition(
    claims: Claims, llrs: Floats, column: Sequence[str], resampling: Resampling
) -> list[Report]:
    values = np.array(column, str)[claims.places].tolist()
    distinct = sort_values(values)
    member = mark_values(values, distinct)
    return [
        {"value": value or NO_VALUE, **_measure_part(claims, llrs, member[:, i], resampling)}
        for i, value in enumerate(distinct)
    ]


def _measure_steps(claims: Claims, fitted: Crossfit, llrs: Floats) -> Report:
    """Return the Cllr of the scores as they are, calibrated, and bounded."""
    calibrated = fitted.apply(claims, bounded=False)
    cllrs = [compute_cllr(claims.to_trials(x)) for x in (claims.scores, calibrated, llrs)]
    return dict(zip(("scores", "calibrated", "bounded"), map(_number, cllrs), strict=True))


def _compare_calibrators(claims: Claims, chosen: tuple[str, NDArray[np.str_]]) -> Report:
    """Return the Cllr of every kind of calibration, each cross-fitted and bounded alike."""
    cllrs: Report = {}
    for name, fit in CALIBRATORS.items():

        def fit_on(trials: Trials, n_groups: float, fit: Any = fit, name: str = name) -> Calibrator:
            found: Calibrator = fit(trials, n_groups) if name == "affine" else fit(trials)
            return found

        llrs = crossfit(claims, chosen, fit_on).apply(claims)
        cllrs[name] = _number(compute_cllr(claims.to_trials(llrs)))
    return cllrs


def _describe_hypothesis(claims: Claims) -> Report:
    return {
        "about": claims.hypothesis,
        "values": list(claims.values),
        "guns": dict(claims.guns),
    }


def _describe_crossfit(fitted: Crossfit) -> Report:
    parts = [
        {
            "held_out": name,
            "n_held_out": int((fitted.member == name).sum()),
            "n_recordings": fit.n_recordings,
            "n_groups": fit.n_groups,
            "slope": _number(fit.calibrator.slope),
            "intercept": _number(fit.calibrator.intercept),
            "lower": fit.lower,
            "upper": fit.upper,
        }
        for name, fit in fitted.parts.items()
        if isinstance(fit.calibrator, Affine)
    ]
    return {"by": fitted.by, "parts": parts}


def _number(value: float) -> float | None:
    """Return a value for JSON: rounding noise cut off, None where it is not defined."""
    return round(float(value), 10) + 0.0 if np.isfinite(value) else None
