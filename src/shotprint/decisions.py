"""What may be stated of a recording: the most specific thing that is probable enough.

Model, else calibre, else category, else nothing: the first whose probability reaches a stated
level. With calibrated probabilities at most 1 − level of such statements are wrong. Two answers
stand before them: that the sound is no gunshot, and that the gun is none of those known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

LEVEL = 0.9
"""The level from which something is stated, where none is given."""

SPECIFIC = ("model", "calibre", "category")
INCONCLUSIVE, NOT_A_GUNSHOT, UNKNOWN_GUN = "inconclusive", "not_a_gunshot", "unknown_gun"
OUTCOMES = (*SPECIFIC, INCONCLUSIVE, NOT_A_GUNSHOT, UNKNOWN_GUN)
_NOT_NAMED = "unknown"


class Scored(Protocol):
    """A label and its probability."""

    @property
    def label(self) -> str: ...

    @property
    def probability(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What is stated.

    Attributes
    ----------
    level : one of `OUTCOMES`
    label : the model, calibre or category that is stated; None where none is
    probability : of what is stated; of the most probable category, which was not enough, where
        the level is ``inconclusive``; None for ``unknown_gun``
    """

    level: str
    label: str | None
    probability: float | None


def can_state(label: str) -> bool:
    """Tell whether a calibre or category says anything: one that is not known does not."""
    return not label.startswith(_NOT_NAMED)


def decide(
    rankings: Sequence[Sequence[Scored]],
    level: float = LEVEL,
    gunshot_probability: float | None = None,
    known_at: float = 0.0,
) -> Decision:
    """Return the most specific statement whose probability reaches `level`.

    Parameters
    ----------
    rankings : the scores of models, of calibres and of categories, each the highest first
    gunshot_probability : that the sound is a gunshot; None: not asked. No gun is stated where it
        is below one half
    known_at : the gun counts as unknown where its most probable model stays below this
    """
    if gunshot_probability is not None and 1 - gunshot_probability >= level:
        return Decision(NOT_A_GUNSHOT, None, 1 - gunshot_probability)
    doubtful = gunshot_probability is not None and gunshot_probability < 0.5
    if not doubtful and rankings[0][0].probability < known_at:
        return Decision(UNKNOWN_GUN, None, None)
    for name, ranking in zip(SPECIFIC, rankings, strict=True):
        best = ranking[0]
        if best.probability >= level and can_state(best.label) and not doubtful:
            return Decision(name, best.label, best.probability)
    return Decision(INCONCLUSIVE, None, rankings[-1][0].probability)


def describe_decision(decision: Decision) -> str:
    """Return what is stated, in a word or two."""
    if decision.label is None:
        return decision.level.replace("_", " ")
    return f"{decision.level}: {decision.label}"
