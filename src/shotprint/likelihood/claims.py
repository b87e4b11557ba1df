"""From predictions to trials: what is claimed of each recording, with which score, and the truth.

A claim is that a recording's gun has a value (a model, a calibre, a category) rather than another
of the listed ones. Each recording makes one claim for every value: the true one gives a score under
H1, each other one a score under H2. Its H2 scores share its weight, so that it counts once for each
hypothesis.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shotprint.errors import ShotprintError
from shotprint.evaluation.levels import UNKNOWN, name_levels
from shotprint.evaluation.predictions import Predictions
from shotprint.evidence import Hypothesis, compute_scores
from shotprint.firearms import Firearm
from shotprint.likelihood.trials import Floats, Trials, make_trials

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Claims:
    """Scores of n recordings for v values.

    Attributes
    ----------
    hypothesis : what the values are
    values : the v values, sorted
    guns : label → value, for the guns that the hypotheses know
    scores : (n, v) log10
    truth : (n,) place of the true value
    places : (n,) where each recording stands in the predictions
    recordings : (n,) names
    groups, folds : (n,) names; folds None where the predictions have none
    warnings : what was left out, with its count
    """

    hypothesis: Hypothesis
    values: tuple[str, ...]
    guns: Mapping[str, str]
    scores: Floats
    truth: Ints
    places: Ints
    recordings: tuple[str, ...]
    groups: NDArray[np.str_]
    folds: NDArray[np.str_] | None
    warnings: tuple[str, ...]

    @property
    def is_h1(self) -> NDArray[np.bool_]:
        """Which claims are true: (n, v)."""
        return np.asarray(self.truth[:, None] == np.arange(len(self.values)))

    def to_trials(self, values: Floats | None = None) -> Trials:
        """Return n · v trials, recording by recording, of the scores or other values (n, v)."""
        weights = np.where(self.is_h1, 1.0, 1 / (len(self.values) - 1))
        values = self.scores if values is None else values
        return make_trials(values.ravel(), self.is_h1.ravel(), weights.ravel())

    def repeat(self, per_recording: NDArray) -> NDArray:
        """Return one value a trial (n · v,) from one a recording (n,)."""
        return np.repeat(per_recording, len(self.values))


def make_claims(
    predictions: Predictions, hypothesis: Hypothesis, firearms: Mapping[str, Firearm]
) -> Claims:
    """Score every listed value for every recording whose true value is listed.

    Parameters
    ----------
    firearms : label → calibre and category; guns of unknown calibre (category) stay out of
        hypotheses on calibres (categories)

    Raises
    ------
    ShotprintError : no probabilities, fewer than two values, or no recording left
    """
    if predictions.probabilities is None or predictions.model_labels is None:
        raise ShotprintError(
            "the predictions have no columns p_<label>; likelihood ratios need the probability of "
            "every listed gun, as shotprint crossval writes them"
        )
    guns = _name_values(predictions.model_labels, hypothesis, firearms)
    values = tuple(sorted(set(guns.values())))
    if len(values) < 2:
        raise ShotprintError(
            f"the guns have {len(values)} known {hypothesis} ({', '.join(values) or 'none'}); "
            "hypotheses need two: choose another --hypothesis, or give --firearms"
        )
    columns = [predictions.labels.index(label) for label in guns]
    member = np.array([[value == name for name in values] for value in guns.values()])
    true_values = [guns.get(label, "") for label in predictions.labels]
    codes = np.array([values.index(name) if name else -1 for name in true_values])
    truth = codes[predictions.truth]
    usable = predictions.answered & np.isfinite(predictions.probabilities).all(axis=1)
    places = np.flatnonzero(usable & (truth >= 0))
    if not len(places):
        raise ShotprintError(
            f"no recording has probabilities and a listed {hypothesis} as its true one; check the "
            "column label"
        )
    groups = predictions.groups
    folds = predictions.columns.get("fold")
    return Claims(
        hypothesis=hypothesis,
        values=values,
        guns=guns,
        scores=compute_scores(predictions.probabilities[places][:, columns], member),
        truth=truth[places],
        places=places,
        recordings=tuple(predictions.recordings[i] for i in places),
        groups=np.array(predictions.recordings if groups is None else groups)[places],
        folds=None if folds is None else np.array(folds)[places],
        warnings=_warn(predictions, hypothesis, guns, len(places)),
    )


def _name_values(
    labels: tuple[str, ...], hypothesis: Hypothesis, firearms: Mapping[str, Firearm]
) -> dict[str, str]:
    if hypothesis == "model":
        return {label: label for label in labels}
    names = name_levels(labels, firearms, hypothesis)
    return {label: name for label, name in zip(labels, names, strict=True) if name != UNKNOWN}


def _warn(
    predictions: Predictions, hypothesis: Hypothesis, guns: Mapping[str, str], n_used: int
) -> tuple[str, ...]:
    n = len(predictions.recordings)
    warnings = list(predictions.warnings)
    if n_used < n:
        warnings.append(
            f"{n - n_used} of {n} recordings lack probabilities or a listed true {hypothesis}; "
            "they are left out"
        )
    if predictions.model_labels and (n_out := len(predictions.model_labels) - len(guns)):
        warnings.append(f"{n_out} guns of unknown {hypothesis} are in no hypothesis")
    if predictions.groups is None:
        warnings.append(
            "there is no column group: every recording counts as independent, so bounds and "
            "intervals are too wide and too narrow if recordings of one session are among them"
        )
    return tuple(warnings)
