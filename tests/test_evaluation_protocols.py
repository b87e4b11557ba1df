"""Protocols side by side: figures worked out by hand, and the words beside them."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from shotprint.evaluation import Predictions, wilson_interval
from shotprint.evaluation.protocols import (
    ProtocolAnswers,
    compare_protocols,
    format_protocols,
    write_comparison,
)
from shotprint.firearms import Firearm
from shotprint.splits import assign_folds

GUNS = {
    "a": Firearm("a", "A", "9 mm", "pistol"),
    "b": Firearm("b", "B", "9 mm", "pistol"),
    "c": Firearm("c", "C", "5.56 mm", "rifle"),
}
LABELS = ("a", "b", "c")
TRUTH = np.repeat([0, 1, 2], 4)
GROUPS = np.array([f"{label}{half}" for label in LABELS for half in "xxyy"])
NAMES = tuple(f"{label}{k}" for label in LABELS for k in range(4))
# Under random folds one recording is wrong, under grouped ones five, two of them in calibre.
RANDOM = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2])
GROUPED = np.array([0, 0, 1, 1, 1, 1, 0, 1, 2, 2, 0, 0])


def make_answers(protocol: str, answer: np.ndarray, **columns: Any) -> ProtocolAnswers:
    manifest = pd.DataFrame(
        {
            "recording": NAMES,
            "label": [LABELS[i] for i in TRUTH],
            "group": GROUPS,
            "sha256": "",
            "fold": "",
        }
    )
    made = assign_folds(manifest, protocol, 2)
    predictions = Predictions(NAMES, LABELS, TRUTH, answer, groups=GROUPS, columns=columns)
    return ProtocolAnswers(made, predictions, made.remarks)


BOTH = [make_answers("random", RANDOM), make_answers("group", GROUPED)]


def test_figures_and_the_cost_of_leakage() -> None:
    comparison = compare_protocols(BOTH, {"shot": "no shots"}, GUNS)
    random, grouped = comparison["protocols"]
    assert (random["leaks"], grouped["leaks"]) == (True, False)
    assert (random["n_kept_whole"], random["kept_whole"]) == (12, "recordings")
    assert (grouped["n_kept_whole"], grouped["kept_whole"]) == (6, "groups")
    assert random["accuracy"]["value"] == pytest.approx(11 / 12)
    assert grouped["accuracy"]["value"] == pytest.approx(7 / 12)
    assert grouped["accuracy"]["wilson"] == pytest.approx(
        [float(v) for v in wilson_interval(7, 12)]
    )
    assert grouped["macro_recall"]["value"] == pytest.approx((2 / 4 + 3 / 4 + 2 / 4) / 3)
    assert grouped["calibre"]["value"] == grouped["category"]["value"] == pytest.approx(10 / 12)
    assert random["cost_of_leakage"] is None
    cost = grouped["cost_of_leakage"]
    assert cost["value"] == pytest.approx(4 / 12)
    # Only three groups differ, by 1, 1 and 2 of their 2 recordings.
    assert 0 <= cost["bootstrap"][0] < 4 / 12 < cost["bootstrap"][1] <= 1
    assert comparison["n_labels"] == 3
    assert comparison["n_groups"] == 6
    assert comparison["refused"] == {"shot": "no shots"}


def test_without_random_folds_there_is_no_cost() -> None:
    (row,) = compare_protocols(BOTH[1:], {}, GUNS)["protocols"]
    assert row["cost_of_leakage"] is None


def test_the_text_marks_what_leaks_and_repeats_no_note() -> None:
    shared = dataclasses.replace(BOTH[1], remarks=(*BOTH[0].remarks, "another note"))
    text = format_protocols(compare_protocols([BOTH[0], shared], {"shot": "no shots"}, GUNS))
    header, random, grouped, *rest = text.splitlines()
    assert header.split()[:2] == ["protocol", "folds"]
    assert "LEAKS" in random
    assert "LEAKS" not in grouped
    assert "+0.333" in grouped
    assert "not possible: shot: no shots" in rest
    assert text.count("random folds leak") == 1
    assert "note: another note" in rest
    assert "model, gun and session cannot be told apart" in rest[-1]
    assert "imulated" not in text


def test_simulated_shots_are_named_first() -> None:
    answers = [make_answers("group", GROUPED, simulated=["true"] * 12)]
    text = format_protocols(compare_protocols(answers, {}, GUNS))
    assert text.startswith("Simulated shots")


def test_files_hold_the_same_figures(tmp_path: Path) -> None:
    comparison = compare_protocols(BOTH, {}, GUNS)
    write_comparison(tmp_path, comparison)
    assert json.loads((tmp_path / "protocols.json").read_text(encoding="utf-8")) == comparison
    with (tmp_path / "protocols.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, expected in zip(rows, comparison["protocols"], strict=True):
        assert row["protocol"] == expected["protocol"]
        for name in ("accuracy", "macro_recall", "calibre", "category"):
            assert float(row[name]) == expected[name]["value"]
            ends = [float(row[f"{name}_low"]), float(row[f"{name}_high"])]
            assert ends == expected[name]["bootstrap"]
    assert rows[0]["cost_of_leakage"] == ""
    assert float(rows[1]["cost_of_leakage_low"]) == pytest.approx(
        comparison["protocols"][1]["cost_of_leakage"]["bootstrap"][0]
    )
