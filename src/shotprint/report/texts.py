"""The sentences of a report, from TOML: those shipped, or a laboratory's own."""

import re
import string
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from shotprint.errors import ShotprintError
from shotprint.verbal import VerbalScale, read_scale

LANGUAGES = ("de", "en")
TABLES = ("texts", "words", "messages", "glossary")
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


class Texts:
    """Sentences by name, words and messages by their English, glossary, and how numbers look.

    Parameters
    ----------
    language : code, such as ``de``
    tables : `TABLES`; a key of ``messages`` holds in braces what differs from case to case, such
        as ``cut short at {at} s``; ``{n:d}`` stands for a whole number only
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
        self._messages = [(_to_pattern(key), text) for key, text in tables["messages"].items()]

    def say(self, name: str, /, **values: object) -> str:
        """Return a sentence with its values."""
        return self._texts[name].format(**values)

    def translate(self, text: str) -> str:
        """Return what stands for an English word, sentence or message, else itself.

        The first message that fits is taken; its values are translated as well.
        """
        if text in self._words:
            return self._words[text]
        for pattern, translation in self._messages:
            if found := pattern.fullmatch(text):
                values = {name: self.translate(value) for name, value in found.groupdict().items()}
                return translation.format(**values)
        return self.translate_number(text) if NUMBER.fullmatch(text) else text

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
            mine = replaced.get(name, {})
            first = mine if name == "messages" else {}  # the first one that fits is taken
            table[name] = {**first, **table[name], **mine}
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
    sentences = [(name, shipped["texts"].get(name), text) for name, text in tables[0].items()]
    messages = [(key, key, text) for key, text in own.get("messages", {}).items()]
    for name, known, text in sentences + messages:
        if known is None or not find_fields(text) <= find_fields(known):
            what = (
                "no report uses"
                if known is None
                else f"may hold {sorted(find_fields(known or ''))}"
            )
            raise ShotprintError(f"{path}: the text {name!r} {what}; see the shipped texts")
    return own


def _to_pattern(message: str) -> re.Pattern[str]:
    """Return what fits a message, whatever its values."""
    parts = [
        re.escape(text) + ("" if name is None else f"(?P<{name}>{'[0-9]+' if spec else '.+?'})")
        for text, name, spec, _ in string.Formatter().parse(message)
    ]
    return re.compile("".join(parts), re.DOTALL)


def find_fields(text: str) -> set[str]:
    """Return the names of the values that a sentence holds; a broken one has an odd name."""
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return {"a brace that is not closed"}
