"""``shotprint validate`` from the command line."""

import csv
import json
import sys

import pytest

from likelihood_sets import LABELS, make_predictions
from shotprint.cli import main
from shotprint.evidence import LikelihoodCalibration
from shotprint.files import compute_sha256

FAST = ("--resamples", "100")
PICTURES = {
    f"{name}.{kind}"
    for name in ("tippett", "pav", "ece", "scores", "reliability")
    for kind in ("png", "svg")
}
GUNS = "label,calibre,category\nA9,9 mm,pistol\nB9,9 mm,pistol\nC45,.45,pistol\nD308,.308,rifle\n"


@pytest.fixture
def shotprint(monkeypatch, capsys, tmp_path):
    """Run the command in a folder with predictions and guns: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    made = make_predictions(n_groups=12)
    with (tmp_path / "p.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        names = [f"p_{label}" for label in LABELS]
        writer.writerow(["recording", "label", "predicted", *names, "group", "fold", "recorder"])
        for i, name in enumerate(made.recordings):
            answers = [LABELS[made.truth[i]], LABELS[made.answer[i]], *made.probabilities[i]]
            recorder = "Zoom" if i < 66 else "iPhone"
            writer.writerow([name, *answers, made.groups[i], made.columns["fold"][i], recorder])
    (tmp_path / "guns.csv").write_text(GUNS, encoding="utf-8")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["shotprint", "validate", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        return end.value.code, shown.out, shown.err

    return run


def test_predictions_give_table_files_pictures_and_a_calibration(shotprint, tmp_path, read_schema):
    code, out, err = shotprint("p.csv", "-o", "v", "--condition", "recorder", *FAST)
    assert code == 0
    assert "Cllr_min" in out
    assert "recorder = iPhone" in out
    assert "too few" in out
    assert "written to v" in err
    names = {path.name for path in (tmp_path / "v").iterdir()}
    assert names == PICTURES | {"validation.json", "llrs.csv", "calibration.json"}
    report = json.loads((tmp_path / "v" / "validation.json").read_text(encoding="utf-8"))
    read_schema("shotprint-validation-1").validate(report)
    text = (tmp_path / "v" / "calibration.json").read_text(encoding="utf-8")
    calibration = LikelihoodCalibration.from_json(text)
    assert calibration.predictions_sha256 == compute_sha256("p.csv") == report["inputs"]["p.csv"]


def test_calibres_come_from_a_table_and_words_from_ones_own_scale(shotprint, tmp_path):
    scale = 'name = "ours"\nstep = [{from = 1, words = "nil"}, {from = 1.001, words = "some"}]'
    (tmp_path / "ours.toml").write_text(scale, encoding="utf-8")
    code, out, _ = shotprint(
        "p.csv", "-o", "v", "--hypothesis", "calibre", "--firearms", "guns.csv",
        "--verbal", "ours.toml", "--condition", "none", *FAST,
    )  # fmt: skip
    assert code == 0
    assert "a gun of the calibre X fired" in out
    assert "ours: some for H2 … some for H1" in out
    assert "recorder" not in out
    llrs = (tmp_path / "v" / "llrs.csv").read_text(encoding="utf-8")
    assert "9 mm,H1" in llrs
    assert "some for H1" in llrs


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none.csv",), "none.csv"),
        (("guns.csv",), "no column recording"),
        (("p.csv", "--hypothesis", "calibre"), "known calibre (none)"),
        (("p.csv", "--condition", "weather"), "'weather'"),
        (("p.csv", "--verbal", "guns.csv"), "guns.csv"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(shotprint, tmp_path, arguments, says):
    code, out, err = shotprint(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("shotprint: ")
    assert says in err
    assert err.count("\n") == 1
    assert not (tmp_path / "validation").exists()
