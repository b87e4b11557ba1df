"""From mean log-probabilities to calibrated probabilities."""

import numpy as np
import pytest

from shotprint.calibration import (
    apply_calibration,
    check_calibration,
    combine_recordings,
    count_independent,
    scale_means,
)
from shotprint.errors import ShotprintError

EVEN = np.log([[0.8, 0.2]])


@pytest.mark.parametrize(
    ("n", "correlation", "expected"),
    [(1, 0.3, 1), (5, 1.0, 1), (5, 0.0, 5), (4, 0.5, 1.6), (1e9, 0.5, 2)],
)
def test_repeats_count_as_fewer(n, correlation, expected):
    assert count_independent(n, correlation) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("n_clips", "calibration", "odds"),
    [
        (3, {"method": "none"}, 4),
        (1, {"temperature": 2.0}, 2),
        (2, {"temperature": 1.0, "correlation": 0.0}, 16),
        (2, {"temperature": 1.0, "correlation": 1.0}, 4),
        (4, {"temperature": 1.6, "correlation": 0.5}, 4),
    ],
)
def test_odds_are_raised_to_the_evidence_over_the_temperature(n_clips, calibration, odds):
    p = apply_calibration(EVEN, np.array([n_clips]), calibration)[0]
    assert p.sum() == pytest.approx(1)
    assert p[0] / p[1] == pytest.approx(odds)


def test_two_independent_recordings_multiply_their_odds():
    logits = scale_means(np.log([[0.8, 0.2], [0.6, 0.4]]), np.array([1, 1]), {})
    p = combine_recordings(logits, {"source_correlation": 0.0})
    assert p[0] / p[1] == pytest.approx(4 * 1.5)
    repeated = combine_recordings(logits, {"source_correlation": 1.0})
    assert repeated[0] / repeated[1] == pytest.approx(6**0.5)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        {"method": "magic"},
        {"method": "temperature"},
        {"method": "temperature", "temperature": 0},
        {"method": "temperature", "temperature": True},
        {"method": "temperature", "temperature": 1.0, "correlation": 1.5},
        {"method": "temperature", "temperature": 1.0, "source_correlation": "x"},
    ],
)
def test_what_is_no_calibration_is_named(bad):
    with pytest.raises(ShotprintError, match="the model toy has the calibration"):
        check_calibration("toy", bad)
    check_calibration("toy", {"method": "temperature", "temperature": 1.2, "correlation": 0.7})
