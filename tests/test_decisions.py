"""What is stated: model, calibre, category or nothing; no gunshot; a gun that is not known."""

import pytest

from shotprint.decisions import OUTCOMES, Decision, decide, describe_decision
from shotprint.recognition.results import Score


def rank(model=0.6, calibre=0.8, category=0.95, calibre_name="9 mm Luger"):
    return (
        (Score("Glock9", model), Score("M16", 1 - model)),
        (Score(calibre_name, calibre), Score("5.56 mm", 1 - calibre)),
        (Score("pistol", category), Score("rifle", 1 - category)),
    )


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (0.5, Decision("model", "Glock9", 0.6)),
        (0.6, Decision("model", "Glock9", 0.6)),
        (0.7, Decision("calibre", "9 mm Luger", 0.8)),
        (0.9, Decision("category", "pistol", 0.95)),
        (0.96, Decision("inconclusive", None, 0.95)),
    ],
)
def test_the_most_specific_statement_that_is_probable_enough(level, expected):
    assert decide(rank(), level) == expected


def test_a_calibre_that_is_not_known_is_not_stated():
    assert decide(rank(calibre_name="unknown (.357 / .50)"), 0.7).level == "category"
    assert decide(rank(calibre_name="unknown"), 0.7).level == "category"


@pytest.mark.parametrize(
    ("gunshot", "level", "expected"),
    [(0.05, 0.9, "not_a_gunshot"), (0.3, 0.9, "inconclusive"), (0.6, 0.9, "category")],
)
def test_no_gun_is_stated_of_what_is_likely_no_gunshot(gunshot, level, expected):
    decision = decide(rank(), level, gunshot)
    assert decision.level == expected
    if expected == "not_a_gunshot":
        assert decision == Decision("not_a_gunshot", None, 0.95)


def test_a_gun_unlike_all_that_are_known():
    assert decide(rank(model=0.25), 0.9, 0.99, known_at=0.3).level == "unknown_gun"
    assert decide(rank(model=0.25), 0.9, 0.01, known_at=0.3).level == "not_a_gunshot"
    assert decide(rank(model=0.35), 0.9, 0.99, known_at=0.3).level == "category"


def test_words_for_a_decision():
    assert describe_decision(Decision("calibre", ".45 Auto", 0.9)) == "calibre: .45 Auto"
    assert describe_decision(Decision("not_a_gunshot", None, 0.9)) == "not a gunshot"
    assert len(set(OUTCOMES)) == 6
