"""The sentences of a report, from TOML: those shipped, or a laboratory's own."""

import string
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from shotprint.errors import ShotprintError
from shotprint.verbal import VerbalScale, read_scale

LANGUAGES = ("de", "en")
TABLES = ("texts", "words", "glossary")


class Texts:
    """Sentences by name, words by their English, terms of the glossary, and how numbers look.

    Parameters
    ----------
    language : code, such as ``de``
    tables : ``texts``, ``words`` and ``glossary``
    scale : words for likelihood ratios in this language
    """

    def __init__(
        self, language: str, tables: Mapping[str, Mapping[str, str]], scale: VerbalScale
    ) -> None:
        self.language = language
        self.scale = scale
        self.glossary = tables["glossary"]
        self._texts = tables["texts"]
        self._words = tables["words"]

    def say(self, name: str, /, **values: object) -> str:
        """Return a sentence with its values."""
        return self._texts[name].format(**values)

    def translate(self, text: str) -> str:
        """Return what stands for an English word or sentence, else itself."""
        return self._words.get(text, text)

    def write_number(self, value: float, digits: int = 0) -> str:
        """Return a number with the decimal sign of the language and a true minus."""
        return self.translate_number(f"{round(value, digits) + 0.0:.{digits}f}")

    def translate_number(self, text: str) -> str:
        """Return a number that was written the English way, in that of the language."""
        return text.replace("-", "−").replace(".", self._texts["decimal"])

    def write_share(self, probability: float) -> str:
        """Return a probability in per cent; never 0 or 100, which no model can know."""
        percent = 100 * probability
        if percent < 0.1:
            return f"< {self.write_number(0.1, 1)}\u00a0%"
        if percent > 99.9:
            return f"> {self.write_number(99.9, 1)}\u00a0%"
        return f"{self.write_number(percent, 1)}\u00a0%"

    def write_strength(self, llr: float) -> str:
        """Return a likelihood ratio in words, with the hypothesis that it supports."""
        words, hypothesis = self.scale.rate(llr)
        return self.say("support", words=words, hypothesis=hypothesis) if hypothesis else words


def write_clock(moment_s: float, digits: int = 3) -> str:
    """Return a moment as h:min:s, min:s below an hour."""
    scale = 10**digits
    ticks = round(moment_s * scale)
    sign, ticks = "−" if ticks < 0 else "", abs(ticks)
    minutes, rest = divmod(ticks, 60 * scale)
    width = 2 + (digits + 1 if digits else 0)
    seconds = f"{rest / scale:0{width}.{digits}f}"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours}:{minutes:02d}:{seconds}" if hours else f"{sign}{minutes}:{seconds}"


def write_ratio(llr: float) -> str:
    """Return how many times a log10 likelihood ratio is, two digits, at least 1."""
    ratio = float(f"{10 ** abs(llr):.2g}")
    return f"{ratio:.{1 if ratio < 10 else 0}f}"


def read_texts(language: str, own: Path | None = None) -> Texts:
    """Read the shipped texts of a language, and a file that stands in for some of them.

    Raises
    ------
    ShotprintError : no such language; no TOML; a text that no report uses, or with other values
    """
    if language not in LANGUAGES:
        raise ShotprintError(
            f"there are no texts in {language!r}; take one of {', '.join(LANGUAGES)}, and give "
            "your own with --texts"
        )
    source = resources.files("shotprint.report").joinpath(f"texts/{language}.toml")
    table = tomllib.loads(source.read_text(encoding="utf-8"))
    if own is not None:
        replaced = _read_own(own, table)
        for name in TABLES:
            table[name] = {**table[name], **replaced.get(name, {})}
        language = replaced.get("language", language)
    if "scale" not in table:
        return Texts(language, table, read_scale())
    steps = tuple((float(step["from"]), str(step["words"])) for step in table["scale"]["step"])
    return Texts(language, table, VerbalScale(table["scale"]["name"], steps))


def _read_own(path: Path, shipped: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of a user's file, checked against the shipped ones."""
    try:
        own = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ShotprintError(
            f"{path} cannot be read as texts of a report ({error}); write TOML with "
            '[texts] and name = "sentence"'
        ) from None
    if unknown := set(own) - {"language", *TABLES}:
        raise ShotprintError(
            f"{path} has {min(unknown)!r}; expected language, {', '.join(TABLES)} (words for "
            "likelihood ratios: --verbal)"
        )
    tables = [own.get(name, {}) for name in TABLES]
    if not all(isinstance(each, dict) for each in tables) or not all(
        isinstance(text, str) for each in tables for text in each.values()
    ):
        raise ShotprintError(f'{path} holds what is no sentence; write name = "sentence"')
    for name, text in own.get("texts", {}).items():
        known = shipped["texts"].get(name)
        if known is None or not _fields(text) <= _fields(known):
            what = "no report uses" if known is None else f"may hold {sorted(_fields(known or ''))}"
            raise ShotprintError(f"{path}: the text {name!r} {what}; see the shipped texts")
    return own


def _fields(text: str) -> set[str]:
    """Return the names of the values that a sentence holds; a broken one has an odd name."""
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return {"a brace that is not closed"}
