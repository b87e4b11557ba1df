"""Order and levels of gun models."""

import pytest

from shotprint.evaluation.levels import (
    code_levels,
    estimate_bore_mm,
    name_levels,
    order_labels,
)
from shotprint.firearms import Firearm


def table(*rows):
    return {label: Firearm(label, "", calibre, category) for label, calibre, category in rows}


GUNS = table(
    ("big rifle", ".308 Win / 7.62 mm", "rifle"),
    ("rifle", "5.45x39 mm", "rifle"),
    ("tank", "120 mm", "cannon"),
    ("b pistol", ".45 Auto", "pistol"),
    ("a pistol", "9 mm Luger", "pistol"),
    ("c pistol", "9 mm Luger", "pistol"),
    ("nameless", "unknown", "pistol"),
)


@pytest.mark.parametrize(
    ("calibre", "bore_mm"),
    [
        (".22 LR", 5.6),
        ("9 mm Luger", 9.0),
        (".45 Auto", 11.4),
        ("7.62x39 mm", 7.62),
        (".223 Rem / 5.56 mm", 5.56),
        ("12 gauge", 18.5),
        ("unknown", float("inf")),
    ],
)
def test_bore_is_read_from_the_calibre(calibre, bore_mm):
    assert estimate_bore_mm(calibre) == pytest.approx(bore_mm, abs=0.05)


def test_labels_stand_by_category_then_bore_and_the_unknown_ones_last():
    assert order_labels(["stranger", *GUNS], GUNS) == (
        "a pistol", "c pistol", "b pistol", "nameless", "rifle", "big rifle", "tank", "stranger",
    )  # fmt: skip


def test_two_unknown_calibres_are_not_one():
    names = name_levels(["a pistol", "stranger", "nameless", "c pistol"], GUNS, "calibre")
    assert names == ("9 mm Luger", "unknown", "unknown", "9 mm Luger")
    codes, known = code_levels(names)
    assert codes[0] == codes[3]
    assert len(set(codes.tolist())) == 3
    assert known.tolist() == [True, False, False, True]
