"""Scores, and the calibration that turns them into likelihood ratios."""

import dataclasses
import json

import jsonschema
import numpy as np
import pytest

from shotprint.errors import ShotprintError
from shotprint.evidence import LikelihoodCalibration, compute_scores

CALIBRATION = LikelihoodCalibration(
    hypothesis="calibre",
    values={"A9": "9 mm", "B9": "9 mm", "C45": ".45"},
    slope=0.5,
    intercept=0.25,
    lower=-1.0,
    upper=1.5,
    replicates=tuple((0.4 + 0.002 * i, 0.25) for i in range(101)),
    confidence=0.9,
    n_recordings=40,
    n_groups=8,
    predictions_sha256="ab" * 32,
)


def test_a_score_is_the_ratio_that_bayes_gives_with_equal_priors_of_guns():
    # P(sound | gun) of four guns; posteriors at equal priors; H1: one of the first two, equally.
    likelihoods = np.array([0.03, 0.01, 0.002, 0.006])
    member = np.array([[1], [1], [0], [0]])
    expected = np.log10((0.03 + 0.01) / 2 / ((0.002 + 0.006) / 2))
    assert compute_scores(likelihoods / likelihoods.sum(), member) == pytest.approx([expected])


def test_a_probability_of_zero_is_floored():
    one, other = compute_scores([1.0, 0.0], np.eye(2))
    assert (one, other) == pytest.approx((9, -9))


@pytest.mark.parametrize("member", [np.ones((3, 1)), np.zeros((3, 1))])
def test_a_hypothesis_needs_guns_on_both_sides(member):
    with pytest.raises(ShotprintError, match="both sides"):
        compute_scores(np.full(3, 1 / 3), member)


def test_llrs_are_affine_between_the_bounds_and_marked_at_them():
    found = CALIBRATION.apply([[-4.0, 0.0], [2.0, 4.0]])
    assert found.llr.tolist() == [[-1.0, 0.25], [1.25, 1.5]]
    assert found.is_bounded.tolist() == [[True, False], [False, True]]


def test_the_interval_holds_the_replicates_and_ends_at_the_bounds():
    found = CALIBRATION.apply([2.0, 4.0])
    # Slopes 0.400 … 0.600: 5 % and 95 % of them are 0.410 and 0.590.
    assert found.low == pytest.approx([0.41 * 2 + 0.25, 1.5])
    assert found.high == pytest.approx([0.59 * 2 + 0.25, 1.5])


def test_more_scores_than_one_block_get_the_same_intervals():
    few = CALIBRATION.apply(np.linspace(-1, 1, 7))
    many = CALIBRATION.apply(np.tile(np.linspace(-1, 1, 7), (3000, 1)))
    assert np.array_equal(many.low, np.tile(few.low, (3000, 1)))


def test_without_replicates_the_interval_is_the_llr():
    found = dataclasses.replace(CALIBRATION, replicates=()).apply([1.0])
    assert found.low == found.high == found.llr == 0.75


@pytest.mark.parametrize(("slope", "ends"), [(0.5, (-1.0, 1.5)), (0.0, (0.25, 0.25))])
def test_infinite_scores_end_at_the_bounds_or_say_nothing(slope, ends):
    calibration = dataclasses.replace(CALIBRATION, slope=slope, replicates=((slope, 0.25),))
    found = calibration.apply([-np.inf, np.inf])
    assert tuple(found.llr) == tuple(found.low) == tuple(found.high) == ends


def test_no_score_gives_no_llr():
    assert CALIBRATION.apply([]).llr.shape == CALIBRATION.apply([]).low.shape == (0,)
    assert np.isnan(CALIBRATION.apply([np.nan]).llr).all()


def test_scores_of_a_recording_by_value():
    scores = CALIBRATION.score({"A9": 0.5, "B9": 0.3, "C45": 0.2, "another": 0.0})
    assert scores == pytest.approx({"9 mm": np.log10(0.4 / 0.2), ".45": np.log10(0.2 / 0.4)})
    with pytest.raises(ShotprintError, match="no probability for 'C45'"):
        CALIBRATION.score({"A9": 0.5, "B9": 0.5})


def test_json_brings_the_same_calibration_back_and_keeps_to_its_schema(read_schema):
    text = CALIBRATION.to_json()
    assert LikelihoodCalibration.from_json(text) == CALIBRATION
    read_schema("shotprint-likelihood-1").validate(json.loads(text))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "shotprint-likelihood/9"}, "format 'shotprint-likelihood/9'"),
        ({"slope": "steep"}, "damaged"),
        ({"slope": -1.0}, "damaged"),
        ({"lower": 0.5}, "damaged"),
        ({"upper": float("nan")}, "damaged"),
        ({"replicates": [[1.0]]}, "damaged"),
        ({"values": {"A9": "9 mm"}}, "damaged"),
        ({"hypothesis": "weather"}, "damaged"),
        ({"confidence": 95}, "damaged"),
    ],
)
def test_a_damaged_file_is_one_line(change, says):
    content = json.loads(CALIBRATION.to_json()) | change
    with pytest.raises(ShotprintError, match=says):
        LikelihoodCalibration.from_json(json.dumps(content))


@pytest.mark.parametrize("text", ["", "[1]", "{}", "{"])
def test_another_file_is_one_line(text):
    with pytest.raises(ShotprintError, match="shotprint validate"):
        LikelihoodCalibration.from_json(text)


def test_the_schema_refuses_what_reading_refuses(read_schema):
    content = json.loads(CALIBRATION.to_json()) | {"lower": 0.5}
    with pytest.raises(jsonschema.ValidationError):
        read_schema("shotprint-likelihood-1").validate(content)
