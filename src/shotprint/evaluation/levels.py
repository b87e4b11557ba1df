"""From gun models up to calibres and categories, and the order in which guns stand in a picture."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shotprint.firearms import Firearm

Level = Literal["calibre", "category"]
UNKNOWN = "unknown"
CATEGORY_ORDER = ("pistol", "revolver", "submachine gun", "rifle", "machine gun", "shotgun")


def name_levels(
    labels: Sequence[str], firearms: Mapping[str, Firearm], level: Level
) -> tuple[str, ...]:
    """Return the calibre or category of every label, ``unknown`` where `firearms` has none."""
    return tuple(
        (getattr(firearms[label], level) or UNKNOWN) if label in firearms else UNKNOWN
        for label in labels
    )


def code_levels(names: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Number the calibres or categories of k labels.

    Returns
    -------
    codes : (k,), equal for labels of one calibre; every unknown one has a code of its own, so
        that two guns of unknown calibre never count as one calibre
    known : (k,), False where the name is ``unknown``
    """
    keys = [(name, i if name == UNKNOWN else 0) for i, name in enumerate(names)]
    numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    codes = np.array([numbers[key] for key in keys], np.int64)
    return codes, np.array([name != UNKNOWN for name in names], bool)


def order_labels(labels: Sequence[str], firearms: Mapping[str, Firearm]) -> tuple[str, ...]:
    """Sort labels by category, then bore, then calibre, then name; unknown ones stand last."""
    calibres = dict(zip(labels, name_levels(labels, firearms, "calibre"), strict=True))
    categories = dict(zip(labels, name_levels(labels, firearms, "category"), strict=True))

    def key(label: str) -> tuple[int, str, float, str, str]:
        category, calibre = categories[label], calibres[label]
        place = len(CATEGORY_ORDER) + (category == UNKNOWN)
        if category in CATEGORY_ORDER:
            place = CATEGORY_ORDER.index(category)
        return place, category, estimate_bore_mm(calibre), calibre, label

    return tuple(sorted(labels, key=key))


def estimate_bore_mm(calibre: str) -> float:
    """Return the nominal bore named by a calibre, for sorting; infinity where none is named.

    ``9 mm Luger``, ``.45 Auto``, ``.308 Win / 7.62 mm``, ``5.45x39 mm``, ``12 gauge``. A gauge
    is the number of lead balls of the bore's size that weigh one pound: 42.4 mm / gauge^(1/3).
    """
    if match := re.search(r"(\d+(?:\.\d+)?)(?:\s*x\s*\d+)?\s*mm", calibre):
        return float(match[1])
    if match := re.search(r"(\d+) gauge", calibre):
        return float(42.4 / max(int(match[1]), 1) ** (1 / 3))
    if match := re.search(r"\.\d+", calibre):
        return float(match[0]) * 25.4
    return float("inf")
