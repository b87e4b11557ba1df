"""How a report is laid out, from TOML: the shipped layout, or what a laboratory puts in its place.

The shipped file is the list of all that can be replaced, and what each value must be like.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from shotprint.errors import ShotprintError
from shotprint.report.texts import find_fields

EDGE_FIELDS = frozenset(("title", "laboratory", "case", "examiner", "date", "page"))
SIZES_MM = {  # width and height, upright
    "A3": (297.0, 420.0),
    "A4": (210.0, 297.0),
    "A5": (148.0, 210.0),
    "letter": (215.9, 279.4),
    "legal": (215.9, 355.6),
}
ORIENTATIONS = ("portrait", "landscape")
LEAST_MARGIN_MM, LARGEST_MARGIN_MM = 8, 40
COLOUR = re.compile("#[0-9a-fA-F]{6}")


@dataclass(frozen=True)
class Layout:
    """The tables of a layout, checked.

    Attributes
    ----------
    sections : names of those that are shown, in order
    page, sizes, colours, fonts, header, footer : see ``layout.toml``; fonts are paths that exist
        from here, or empty
    """

    sections: list[str]
    page: Mapping[str, Any]
    sizes: Mapping[str, float]
    colours: Mapping[str, str]
    fonts: Mapping[str, str]
    header: Mapping[str, list[str]]
    footer: Mapping[str, list[str]]


def read_layout(own: Path | None = None) -> Layout:
    """Read the shipped layout, and a file that stands in for some of it.

    Raises
    ------
    ShotprintError : it cannot be read, names what there is not, or holds a value that cannot be
    """
    source = resources.files("shotprint.report").joinpath("layout.toml")
    tables = tomllib.loads(source.read_text(encoding="utf-8"))
    if own is None:
        return Layout(**tables)
    try:
        replaced = tomllib.loads(own.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ShotprintError(
            f"{own} cannot be read as a layout ({error}); write TOML as in the shipped "
            "report/layout.toml"
        ) from None
    for name, value in replaced.items():
        is_table = isinstance(value, dict) and isinstance(tables.get(name), dict)
        place, known = (f"{name}.", tables[name]) if is_table else ("", tables)
        for key, each in value.items() if is_table else [(name, value)]:
            if key not in known:
                expected = ", ".join(sorted(known))
                raise ShotprintError(f"{own} has {place}{key}; expected one of {expected}")
            if expected := _find_fault(f"{place}{key}", each, known[key], own.parent):
                raise ShotprintError(f"{own}: {place}{key} is {each!r}, expected {expected}")
            known[key] = each
    for name, path in tables["fonts"].items():
        tables["fonts"][name] = str(own.parent / path) if path else ""
    return Layout(**tables)


def _find_fault(name: str, value: Any, shipped: Any, folder: Path) -> str:
    """Return what was expected in place of a value; empty: it may be."""
    table, _, key = name.rpartition(".")
    match table, key:
        case "", "sections":
            is_good = _is_texts(value) and value and len(set(value)) == len(value)
            is_good = is_good and set(value) <= set(shipped)
            return "" if is_good else f"some of {', '.join(shipped)}, each once"
        case "page", "size":
            return "" if value in list(SIZES_MM) else f"one of {', '.join(SIZES_MM)}"
        case "page", "orientation":
            return "" if value in ORIENTATIONS else " or ".join(ORIENTATIONS)
        case "page", "margins_mm":
            least, most = LEAST_MARGIN_MM, LARGEST_MARGIN_MM
            is_good = isinstance(value, list) and len(value) == len(shipped)
            is_good = is_good and all(_is_number(each, least, most) for each in value)
            return "" if is_good else f"{len(shipped)} numbers from {least} to {most}"
        case "page" | "sizes", _:
            return "" if _is_number(value, 4, 72) else "a number from 4 to 72"
        case "colours", _:
            is_good = isinstance(value, str) and COLOUR.fullmatch(value)
            return "" if is_good else 'a colour such as "#8a3200"'
        case "fonts", _:
            is_good = value == "" or (isinstance(value, str) and _is_font(folder / value))
            return "" if is_good else "the path of a TrueType file"
        case "header" | "footer", _:
            is_good = _is_texts(value) and all(find_fields(each) <= EDGE_FIELDS for each in value)
            return "" if is_good else f"texts with {', '.join(sorted(EDGE_FIELDS))} in braces"
    return "a table"


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_number(value: Any, least: float, most: float) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and least <= value <= most


def _is_font(path: Path) -> bool:
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with TTFont(path) as font:
            return "glyf" in font
    except (OSError, TTLibError):
        return False
