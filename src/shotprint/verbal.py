"""Words for likelihood ratios, from a table that a laboratory can replace by its own."""

import itertools
import math
import os
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from shotprint.errors import ShotprintError

_EXPECTED = 'name = "…" and step = [{from = 1, words = "…"}, …] with rising `from`'


@dataclass(frozen=True)
class VerbalScale:
    """Steps of strength, from the weakest.

    Attributes
    ----------
    name : of the scale, such as ``ENFSI 2015``
    steps : likelihood ratio from which on, the first 1, and its words
    """

    name: str
    steps: tuple[tuple[float, str], ...]

    def describe(self, llr: float) -> str:
        """Return the words for an llr, with the hypothesis that it supports.

        The first step, around LR 1, names no hypothesis. NaN has no words: an empty text.
        """
        words, hypothesis = self.rate(llr)
        return f"{words} for {hypothesis}" if hypothesis else words

    def rate(self, llr: float) -> tuple[str, str]:
        """Return the words for an llr, and ``H1``, ``H2`` or nothing, as `describe` joins them."""
        if math.isnan(llr):
            return "", ""
        strength = abs(llr) + 1e-9  # 10 ** 1 = 10 must be reached, whatever rounding did
        reached = [words for ratio, words in self.steps if math.log10(ratio) <= strength]
        if len(reached) == 1:
            return reached[0], ""
        return reached[-1], "H1" if llr > 0 else "H2"


def read_scale(path: str | os.PathLike[str] | None = None) -> VerbalScale:
    """Read a verbal scale from TOML; None for the shipped one.

    Raises
    ------
    ShotprintError : no such file, no TOML, unknown keys, or steps that do not rise from 1
    """
    name = "verbal.toml" if path is None else str(path)
    try:
        if path is None:
            text = resources.files("shotprint").joinpath(name).read_text("utf-8")
        else:
            text = Path(path).read_text(encoding="utf-8-sig")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ShotprintError(
            f"{name} cannot be read as a verbal scale ({error}); write {_EXPECTED}"
        ) from None
    return VerbalScale(*_check(table, name))


def _check(table: dict[str, Any], name: str) -> tuple[str, tuple[tuple[float, str], ...]]:
    steps = table.get("step")
    try:
        if set(table) != {"name", "step"} or not isinstance(table["name"], str):
            raise ValueError
        assert isinstance(steps, list)
        pairs = tuple((float(step["from"]), step["words"]) for step in steps)
        ratios = [ratio for ratio, _ in pairs]
        rising = all(a < b for a, b in itertools.pairwise(ratios))
        worded = all(isinstance(words, str) and words.strip() for _, words in pairs)
        if ratios[0] != 1 or not rising or not worded or any(len(step) != 2 for step in steps):
            raise ValueError
    except (AssertionError, ValueError, KeyError, TypeError, IndexError):
        raise ShotprintError(f"{name} is no verbal scale; write {_EXPECTED}") from None
    return table["name"], pairs
