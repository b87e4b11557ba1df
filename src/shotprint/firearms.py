"""Gun label → make and model, calibre, category: from the shipped TOML file or a user's own."""

import csv
import dataclasses
import io
import os
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from shotprint.errors import ShotprintError

REQUIRED = ("label", "calibre", "category")


@dataclasses.dataclass(frozen=True)
class Firearm:
    """What is known of a gun model.

    Attributes
    ----------
    label : the class name, such as the name of the folder that holds its recordings
    make_model : maker and model; empty where it is not known
    calibre : the cartridge, such as ``9 mm Luger``
    category : pistol, revolver, rifle, shotgun, submachine gun, machine gun, or a user's own
    """

    label: str
    make_model: str
    calibre: str
    category: str


def read_firearms(path: str | os.PathLike[str] | None = None) -> dict[str, Firearm]:
    """Read the table of firearms, by label, in the order of the file.

    Parameters
    ----------
    path : a TOML file (a list ``firearm`` of tables) or a CSV file; None for the shipped table.
        Each gun needs label, calibre and category; make_model and aliases (TOML: a list; CSV:
        separated by ``|``) may be given. Other columns of a CSV are ignored, other keys of a
        TOML file are errors.

    Returns
    -------
    Every label and every alias with its firearm; the record under an alias bears the alias as
    its label. A label may stand twice if calibre and category agree; the first one counts.

    Raises
    ------
    ShotprintError
        No such file, not UTF-8, not TOML, a gun without label, calibre or category, or a label
        with two different facts.
    """
    if path is None:
        name = "firearms.toml"
        text = resources.files("shotprint").joinpath(name).read_text(encoding="utf-8")
    else:
        name, text = str(path), _read_text(Path(path))
    rows = _parse_csv(text, name) if name.lower().endswith(".csv") else _parse_toml(text, name)
    return _index_firearms(rows, name)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ShotprintError(
            f"{path} cannot be read ({error.strerror}); give a TOML or CSV table of firearms"
        ) from None
    except UnicodeDecodeError:
        raise ShotprintError(f"{path} is not UTF-8 text; save it as UTF-8") from None


def _parse_toml(text: str, name: str) -> list[dict[str, Any]]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ShotprintError(f"{name} is not TOML: {error}") from None
    rows = table.get("firearm")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ShotprintError(
            f'{name} has no list "firearm"; write firearm = [{{label = "…", calibre = "…", '
            'category = "…"}, …]'
        )
    known = {field.name for field in dataclasses.fields(Firearm)} | {"aliases"}
    for number, row in enumerate(rows, start=1):
        if unknown := sorted(set(row) - known):
            raise ShotprintError(
                f"{name}, firearm {number}: unknown key {unknown[0]!r}; "
                f"the keys are {', '.join(sorted(known))}"
            )
    return rows


def _parse_csv(text: str, name: str) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    missing = [column for column in REQUIRED if column not in (reader.fieldnames or ())]
    if missing:
        raise ShotprintError(
            f"{name} has no column {' and no column '.join(missing)}; its first line must name "
            "label, calibre and category, separated by commas"
        )
    rows: list[dict[str, Any]] = list(reader)
    for row in rows:
        row["aliases"] = [alias for alias in (row.get("aliases") or "").split("|") if alias]
    return rows


def _index_firearms(rows: Iterable[Mapping[str, Any]], name: str) -> dict[str, Firearm]:
    firearms: dict[str, Firearm] = {}
    for number, row in enumerate(rows, start=1):
        firearm = _validate_firearm(row, f"{name}, firearm {number}")
        aliases = row.get("aliases") or []
        if not isinstance(aliases, list) or not all(isinstance(a, str) for a in aliases):
            raise ShotprintError(f'{name}, firearm {number}: aliases must be a list: ["…", "…"]')
        for label in (firearm.label, *(alias.strip() for alias in aliases)):
            first = firearms.setdefault(label, dataclasses.replace(firearm, label=label))
            if (first.calibre, first.category) != (firearm.calibre, firearm.category):
                raise ShotprintError(
                    f"{name}, firearm {number}: {label!r} is given twice, as {first.calibre} "
                    f"{first.category} and as {firearm.calibre} {firearm.category}; keep one"
                )
    if not firearms:
        raise ShotprintError(f"{name} lists no firearm; give at least one")
    return firearms


def _validate_firearm(row: Mapping[str, Any], where: str) -> Firearm:
    facts = {}
    for field in dataclasses.fields(Firearm):
        value = row.get(field.name) or ""
        if not isinstance(value, str):
            raise ShotprintError(f"{where}: {field.name} is {value!r}; write it in quotes")
        facts[field.name] = value.strip()
        if field.name in REQUIRED and not facts[field.name]:
            raise ShotprintError(f"{where} has no {field.name}; every firearm needs one")
    return Firearm(**facts)
