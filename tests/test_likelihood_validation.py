"""From predictions to a whole validation: honest where they are, silent where they know nothing."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from likelihood_sets import GUNS, LABELS, make_predictions
from shotprint.errors import ShotprintError
from shotprint.evaluation import Resampling
from shotprint.evidence import LikelihoodCalibration
from shotprint.likelihood import (
    Settings,
    compute_cllr,
    fit_affine,
    format_table,
    make_trials,
    read_scale,
    validate,
    write_validation,
)
from shotprint.likelihood.claims import make_claims
from shotprint.likelihood.crossfitting import choose_parts, crossfit

FAST = Resampling(n_resamples=100)


def run(predictions, **settings):
    return validate(predictions, GUNS, Settings(resampling=FAST, n_replicates=40, **settings))


def figures(validation):
    return {name: each["value"] for name, each in validation.report["all"]["figures"].items()}


@pytest.fixture(scope="module")
def honest():
    return run(make_predictions())


@pytest.fixture(scope="module")
def useless():
    """Probabilities that are sure and know nothing, as of distant shots."""
    predictions = make_predictions(n_groups=24, sureness=2)
    shuffled = np.random.default_rng(0).permutation(len(predictions.truth))
    return run(dataclasses.replace(predictions, probabilities=predictions.probabilities[shuffled]))


def test_each_recording_counts_once_for_each_hypothesis():
    claims = make_claims(make_predictions(), "model", GUNS)
    trials = claims.to_trials()
    assert claims.scores.shape == (240, 4)
    assert trials.weights[trials.is_h1].sum() == 240
    assert trials.weights[~trials.is_h1].sum() == pytest.approx(240)
    first = make_predictions().probabilities[0]
    assert claims.scores[0, 0] == pytest.approx(np.log10(first[0] / first[1:].mean()))


def test_calibres_join_guns_and_leave_out_unknown_ones():
    guns = {**GUNS, "D308": dataclasses.replace(GUNS["D308"], calibre="")}
    claims = make_claims(make_predictions(), "calibre", guns)
    assert claims.values == (".45 Auto", "9 mm Luger")
    assert claims.guns == {"A9": "9 mm Luger", "B9": "9 mm Luger", "C45": ".45 Auto"}
    assert len(claims.truth) == 180
    text = " ".join(claims.warnings)
    assert "60 of 240 recordings lack" in text
    assert "1 guns of unknown calibre" in text
    p = make_predictions().probabilities[0]
    assert claims.scores[0, 1] == pytest.approx(np.log10((p[0] + p[1]) / 2 / p[2]))


def test_recordings_without_an_answer_or_probabilities_are_left_out_and_counted():
    predictions = make_predictions()
    probabilities, answer = predictions.probabilities.copy(), predictions.answer.copy()
    probabilities[0], answer[7] = np.nan, -1
    claims = make_claims(
        dataclasses.replace(predictions, probabilities=probabilities, answer=answer), "model", GUNS
    )
    assert len(claims.truth) == 238
    assert "2 of 240 recordings lack" in claims.warnings[0]


@pytest.mark.parametrize(
    ("change", "hypothesis", "guns", "says"),
    [
        ({"probabilities": None, "model_labels": None}, "model", GUNS, "no columns p_<label>"),
        ({}, "calibre", {}, r"0 known calibre \(none\)"),
        ({"answer": np.full(240, -1)}, "model", GUNS, "no recording has probabilities"),
    ],
)
def test_predictions_that_allow_no_hypotheses_say_why(change, hypothesis, guns, says):
    with pytest.raises(ShotprintError, match=says):
        make_claims(dataclasses.replace(make_predictions(), **change), hypothesis, guns)


def test_no_calibration_sees_the_group_that_it_is_tested_on():
    predictions = make_predictions()
    claims = make_claims(predictions, "model", GUNS)
    parts, _ = choose_parts(claims)
    before = crossfit(claims, parts)
    # Turn the scores of fold 0 round: its own calibration must not notice, every other must.
    changed = claims.scores.copy()
    held_out = parts[1] == "0"
    changed[held_out] *= -1
    after = crossfit(dataclasses.replace(claims, scores=changed), parts)
    assert before.by == "fold"
    assert after.parts["0"] == before.parts["0"]
    for name in "1234":
        assert after.parts[name].calibrator.slope < before.parts[name].calibrator.slope
    for name in before.parts:
        inside = set(claims.groups[parts[1] == name])
        assert inside.isdisjoint(claims.groups[parts[1] != name])


@pytest.mark.parametrize("folds", [None, ("0",) * 240, ("",) * 240])
def test_without_folds_whole_groups_are_dealt_to_parts_of_one_size(folds):
    claims = make_claims(make_predictions(), "model", GUNS)
    claims = dataclasses.replace(claims, folds=None if folds is None else np.array(folds))
    (by, member), warnings = choose_parts(claims)
    assert (by, warnings) == ("group", ())
    assert sorted(np.unique(member, return_counts=True)[1]) == [48] * 5
    assert all(len(set(member[claims.groups == group])) == 1 for group in claims.groups)


def test_folds_that_tear_groups_are_not_believed():
    columns = {"fold": tuple(str(i % 5) for i in range(240))}
    validation = run(dataclasses.replace(make_predictions(), columns=columns))
    assert validation.report["crossfit"]["by"] == "group"
    assert any("tear groups apart" in text for text in validation.report["warnings"])


def test_one_group_can_calibrate_nothing():
    predictions = dataclasses.replace(make_predictions(), groups=np.full(240, "g"))
    with pytest.raises(ShotprintError, match=r"one group \(g\)"):
        run(predictions)


def test_honest_probabilities_keep_their_worth(honest):
    steps, found = honest.report["steps"], figures(honest)
    assert steps["calibrated"] == pytest.approx(steps["scores"], abs=0.03)
    assert 0.2 < found["cllr"] < 0.6
    assert found["cllr_cal"] < 0.1
    assert found["cllr"] == pytest.approx(found["cllr_min"] + found["cllr_cal"])
    for part in honest.report["crossfit"]["parts"]:
        assert part["slope"] == pytest.approx(1, abs=0.25)


def test_probabilities_that_are_too_sure_are_mended():
    steps = run(make_predictions(sureness=4)).report["steps"]
    honest_steps = run(make_predictions()).report["steps"]
    assert steps["scores"] > 1.5 * honest_steps["scores"]
    assert steps["calibrated"] == pytest.approx(honest_steps["calibrated"], abs=0.05)


def test_sure_probabilities_that_know_nothing_do_no_harm(useless):
    assert useless.report["steps"]["scores"] > 1.3
    everything = useless.report["all"]["figures"]["cllr"]
    assert everything["value"] <= 1.001
    assert everything["interval"][1] <= 1.005
    assert np.abs(useless.evidence.llr).max() <= 0.02


def test_no_llr_leaves_the_bounds_of_its_part_and_intervals_hold_it(honest):
    for part in honest.report["crossfit"]["parts"]:
        llrs = honest.evidence.llr[honest.parts == part["held_out"]]
        assert llrs.min() >= part["lower"]
        assert llrs.max() <= part["upper"]
    assert (honest.evidence.low <= honest.evidence.llr + 0.05).all()
    assert (honest.evidence.high >= honest.evidence.llr - 0.05).all()
    assert honest.evidence.is_bounded.any()


def test_the_calibration_rests_on_every_recording(honest):
    trials = honest.claims.to_trials()
    line = fit_affine(trials, 40)
    calibration = honest.calibration
    assert (calibration.slope, calibration.intercept) == (line.slope, line.intercept)
    assert (calibration.n_recordings, calibration.n_groups) == (240, 40)
    assert len(calibration.replicates) == 40
    low, high = np.percentile([slope for slope, _ in calibration.replicates], [2.5, 97.5])
    assert low < calibration.slope < high
    assert calibration.values == dict(zip(LABELS, LABELS, strict=True))


def test_conditions_have_figures_of_their_own_or_say_that_they_are_too_few():
    recorders = ["Zoom" if i < 120 else "iPhone" if i < 232 else "Edge" for i in range(240)]
    places = ["near" if i < 12 else "far" for i in range(240)]
    validation = run(
        make_predictions(recorder=tuple(recorders), place=tuple(places)),
        conditions=["recorder", "place"],
    )
    rows = {row["value"]: row for rows in validation.report["conditions"].values() for row in rows}
    assert rows["Edge"]["figures"] is None
    assert rows["Edge"]["remark"] == "too few recordings: 8, figures need 10"
    assert rows["near"]["remark"] == "too few groups: 2, intervals need 3"
    assert rows["near"]["figures"]["cllr"]["interval"] is None
    zoom = rows["Zoom"]["figures"]["cllr"]
    mine = np.repeat(np.arange(240) < 120, 4)
    assert zoom["value"] == pytest.approx(compute_cllr(validation.trials.pick(mine)))
    assert zoom["interval"][0] < zoom["value"] < zoom["interval"][1]
    table = format_table(validation, read_scale())
    assert "recorder = Edge" in table
    assert "too few" in table


def test_conditions_are_chosen_or_refused():
    predictions = make_predictions(recorder=tuple("ab" * 120))
    assert list(run(predictions).report["conditions"]) == ["recorder"]
    assert run(predictions, conditions=[]).report["conditions"] == {}
    with pytest.raises(ShotprintError, match="no column 'weather'"):
        run(predictions, conditions=["weather"])


def test_the_same_seed_gives_the_same_report(honest):
    assert run(make_predictions()).report == honest.report


def test_simulated_and_ungrouped_recordings_and_few_groups_are_said():
    predictions = make_predictions(n_groups=8, simulated=("true",) * 48)
    validation = run(dataclasses.replace(predictions, groups=None))
    assert "no column group" in " ".join(validation.report["warnings"])
    assert format_table(validation, read_scale()).startswith("48 of 48 recordings are simulated")
    assert "only 8 groups" in " ".join(run(predictions).report["warnings"])


@pytest.mark.parametrize("hypothesis", ["model", "calibre", "category"])
def test_files_keep_to_their_schemas_and_hold_every_claim(tmp_path, read_schema, hypothesis):
    validation = run(make_predictions(), hypothesis=hypothesis, predictions_sha256="cd" * 32)
    write_validation(tmp_path, validation, read_scale(), {"p.csv": "cd" * 32})
    report = json.loads((tmp_path / "validation.json").read_text(encoding="utf-8"))
    read_schema("shotprint-validation-1").validate(report)
    text = (tmp_path / "calibration.json").read_text(encoding="utf-8")
    read_schema("shotprint-likelihood-1").validate(json.loads(text))
    calibration = LikelihoodCalibration.from_json(text)
    assert calibration == validation.calibration
    assert calibration.predictions_sha256 == "cd" * 32
    with (tmp_path / "llrs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 240 * len(validation.claims.values)
    llrs = make_trials(
        [float(row["llr"]) for row in rows],
        [row["truth"] == "H1" for row in rows],
        validation.trials.weights,
    )
    assert compute_cllr(llrs) == pytest.approx(figures(validation)["cllr"], abs=1e-4)


def test_the_table_says_what_it_is_about(honest):
    table = format_table(honest, read_scale())
    assert "H1: a gun of the model X fired; H2: one of the listed guns that are not" in table
    assert f"{figures(honest)['cllr']:.3f}" in table
    assert "ENFSI 2015" in table
