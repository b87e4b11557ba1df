"""``shotprint evaluate`` from the command line."""

import json
import sys

import pytest

from shotprint.cli import main

PREDICTIONS = """\
recording,label,predicted,p_M16,p_MP5,group,recorder
1.wav,M16,M16,0.9,0.1,g1,Zoom
2.wav,M16,MP5,0.4,0.6,g1,iPhone
3.wav,MP5,MP5,0.2,0.8,g2,Zoom
4.wav,MP5,MP5,0.3,0.7,g3,iPhone
"""
MATRIX = "true\\predicted,M16,MP5\nM16,1,1\nMP5,0,2\n"
TABLES = {"metrics.json", "metrics.md", "per_class.csv", "confusion.csv"}
PICTURES = {"confusion.png", "confusion.svg", "recall.png", "recall.svg"}


@pytest.fixture
def shotprint(monkeypatch, capsys, tmp_path):
    """Run the command in a folder with predictions and a matrix: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.csv").write_text(PREDICTIONS, encoding="utf-8")
    (tmp_path / "m.csv").write_text(MATRIX, encoding="utf-8")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["shotprint", "evaluate", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        return end.value.code, shown.out, shown.err

    return run


def test_predictions_give_a_table_every_file_and_their_hashes(shotprint, tmp_path):
    code, out, err = shotprint("p.csv", "-o", "eval", "--resamples", "200")
    assert code == 0
    assert "gun model" in out
    assert "0.7500" in out
    assert "warning: only 3 groups" in err
    names = {path.name for path in (tmp_path / "eval").iterdir()}
    trust = {f"{name}.{kind}" for name in ("reliability", "decisions") for kind in ("png", "svg")}
    by_column = {"by_column.csv", "by_column.png", "by_column.svg"}
    assert names == TABLES | PICTURES | trust | by_column
    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["schema"] == "shotprint-evaluation/1"
    assert list(metrics["inputs"]) == ["p.csv"]
    assert metrics["accuracy"]["n_correct"] == 3


def test_a_matrix_alone_gives_all_that_is_possible(shotprint, tmp_path):
    code, out, err = shotprint("--matrix", "m.csv", "-o", "eval", "--note", "a note")
    assert (code, err) == (0, "")
    assert "0.7500" in out
    assert {path.name for path in (tmp_path / "eval").iterdir()} == TABLES | PICTURES


def test_without_a_folder_nothing_is_written(shotprint, tmp_path):
    assert shotprint("p.csv", "--by", "none")[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"p.csv", "m.csv"}


def test_two_predictions_are_compared(shotprint, tmp_path):
    (tmp_path / "q.csv").write_text(PREDICTIONS.replace("M16,MP5", "M16,M16"), encoding="utf-8")
    code, out, err = shotprint("p.csv", "--against", "q.csv", "-o", "eval")
    assert code == 0
    assert "A − B = -25.0 points" in out
    assert "q.csv: the answer of 1 recordings is not the most probable one" in err
    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["comparison"]["n_only_b_right"] == 1
    assert "McNemar" in (tmp_path / "eval" / "metrics.md").read_text(encoding="utf-8")


def test_a_table_of_firearms_of_ones_own_counts(shotprint, tmp_path):
    text = "label,make_model,calibre,category\nM16,,x,toy\nMP5,,x,toy\n"
    (tmp_path / "guns.csv").write_text(text, encoding="utf-8")
    code, _, _ = shotprint("p.csv", "--firearms", "guns.csv", "-o", "eval")
    assert code == 0
    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["calibre"]["value"] == 1.0
    assert list(metrics["per_category"]) == ["toy"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "either a CSV of predictions or --matrix"),
        (("p.csv", "--matrix", "m.csv"), "either a CSV of predictions or --matrix"),
        (("--matrix", "m.csv", "--by", "recorder"), "--by needs predictions"),
        (("--matrix", "m.csv", "--against", "p.csv"), "--against needs predictions"),
        (("p.csv", "--by", "weather"), "'weather'"),
        (("none.csv",), "none.csv"),
        (("p.csv", "--manifest", "none.csv"), "none.csv"),
        (("m.csv",), "no column recording"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(shotprint, arguments, says):
    code, out, err = shotprint(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("shotprint: ")
    assert says in err
    assert err.count("\n") == 1
