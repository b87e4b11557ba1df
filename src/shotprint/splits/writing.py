"""A protocol as a file: a comment line with its facts and its own hash, then CSV."""

import csv
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shotprint.errors import ShotprintError
from shotprint.files import write_text
from shotprint.splits.protocol import HEADER, Protocol, check_fits

if TYPE_CHECKING:
    from pandas import DataFrame

_MARK = "# shotprint-protocol/1 "


def write_protocol(protocol: Protocol, path: str | os.PathLike[str]) -> None:
    """Write a protocol: a comment line with its facts and its own hash, then CSV."""
    facts = {**protocol.describe(), "sha256": protocol.sha256}
    head = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    write_text(path, f"{_MARK}{head}\n{protocol.to_csv()}")


def read_protocol(path: str | os.PathLike[str], manifest: "DataFrame | None" = None) -> Protocol:
    """Read what `write_protocol` wrote, and check that it fits `manifest` if one is given.

    Raises
    ------
    ShotprintError
        Not a protocol file, edited since it was written, or written for another manifest.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ShotprintError(f"{path} cannot be read as a protocol ({error})") from None
    head, _, body = text.partition("\n")
    if not head.startswith(_MARK):
        raise ShotprintError(f"{path} is no protocol; its first line must begin with {_MARK}")
    try:
        protocol, stated = _parse_protocol(json.loads(head.removeprefix(_MARK)), body)
    except (ValueError, KeyError, TypeError):
        raise ShotprintError(f"{path} is a damaged protocol; assign folds again") from None
    if protocol.sha256 != stated:
        raise ShotprintError(f"{path} was edited after it was written; assign folds again")
    if manifest is not None:
        check_fits(protocol, manifest)
    return protocol


def _parse_protocol(facts: dict[str, Any], body: str) -> tuple[Protocol, str]:
    header, *rows = csv.reader(io.StringIO(body, newline=""))
    names = facts.pop("apart", [])
    others = [name for name in names if name != "group"]
    if header != [*HEADER, *others]:
        raise ValueError(header)
    recordings, labels, groups, folds, *columns = zip(*rows, strict=True)
    values = {"group": groups, **dict(zip(others, columns, strict=True))}
    stated = facts.pop("sha256")
    fold_names = {int(fold): name for fold, name in facts.pop("fold_names").items()}
    protocol = Protocol(
        recordings=recordings,
        labels=labels,
        groups=groups,
        folds=tuple(map(int, folds)),
        fold_names=fold_names,
        remarks=tuple(facts.pop("remarks")),
        apart={name: values[name] for name in names},
        **facts,
    )
    return protocol, stated
