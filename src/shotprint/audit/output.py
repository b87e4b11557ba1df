"""An audit as text, JSON and tables; the page is in `page`. ``docs/audit.md`` describes them."""

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import shotprint
from shotprint.audit.auditing import Audit
from shotprint.audit.findings import SERIOUS, Finding
from shotprint.audit.pairs import Pair
from shotprint.audit.records import Clip
from shotprint.files import write_text

SCHEMA = "shotprint-audit/1"
PAIR_COLUMNS = (
    *("first", "second", "kind", "first_label", "second_label", "first_group", "second_group"),
    *("first_fold", "second_fold", "lag_s", "overlap_s", "start_s", "shared_s", "agreement"),
)
_SHARED = ("lag_s", "overlap_s", "start_s", "shared_s", "agreement")
_SHOWN = 3


def write_tables(
    folder: Path, audit: Audit, findings: Sequence[Finding], inputs: Mapping[str, str]
) -> list[Path]:
    """Write ``audit.json``, ``pairs.csv`` and ``groups.csv``; return their paths."""
    document = json.dumps(to_json(audit, findings, inputs), ensure_ascii=False, indent=1)
    texts = {
        "audit.json": document + "\n",
        "pairs.csv": _format_csv(PAIR_COLUMNS, [_list_pair(audit, p) for p in audit.pairs]),
        "groups.csv": _format_groups(audit),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def format_summary(audit: Audit, findings: Sequence[Finding]) -> str:
    """Return the findings as text, with a few examples each."""
    n_serious = sum(each.severity == SERIOUS for each in findings)
    lines = [
        f"{len(audit.clips)} recordings, {len({clip.row.label for clip in audit.clips})} classes, "
        f"{count_groups(audit)[0]} groups; {n_serious} serious findings, "
        f"{len(findings) - n_serious} notes"
    ]
    for each in findings:
        lines.append(
            f"{each.severity.upper() if each.severity == SERIOUS else each.severity}: {each.title}"
        )
        lines += [f"    {item}" for item in each.items[:_SHOWN]]
        if len(each.items) > _SHOWN:
            lines.append(f"    and {len(each.items) - _SHOWN} more")
    return "\n".join(lines)


def count_groups(audit: Audit) -> tuple[int, int]:
    """Return how many groups the manifest has, and how many are proposed."""
    known = {clip.row.group or clip.row.recording for clip in audit.clips}
    return len(known), len(set(audit.proposed))


def to_json(audit: Audit, findings: Sequence[Finding], inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return the document that the schema ``shotprint-audit-1.json`` describes."""
    known, proposed = count_groups(audit)
    return {
        "schema": SCHEMA,
        "shotprint": shotprint.__version__,
        "inputs": dict(inputs),
        "folds": {"source": audit.fold_source, "n": audit.n_folds},
        "groups": {"n_known": known, "n_proposed": proposed},
        "findings": [dataclasses.asdict(each) for each in findings],
        "confounds": [dataclasses.asdict(each) for each in audit.confounds],
        "pairs": [_describe_pair(audit, pair) for pair in audit.pairs],
        "recordings": [
            _describe_clip(clip, group)
            for clip, group in zip(audit.clips, audit.proposed, strict=True)
        ],
    }


def _describe_pair(audit: Audit, pair: Pair) -> dict[str, Any]:
    shared = pair.shared
    facts = {name: None if shared is None else getattr(shared, name) for name in _SHARED}
    names = (audit.clips[place].row.recording for place in (pair.first, pair.second))
    first, second = names
    return {"first": first, "second": second, "kind": pair.kind, **facts}


def _describe_clip(clip: Clip, group: str) -> dict[str, Any]:
    row, sound = clip.row, clip.sound
    facts: dict[str, Any] = {
        "recording": row.recording,
        "label": row.label,
        "group": row.group,
        "proposed_group": group,
        "fold": row.fold,
        "sha256": clip.sha256,
        "error": clip.error,
        "sound": None,
    }
    if sound is not None:
        facts["sound"] = {
            "container": sound.container,
            "codec": sound.codec,
            "sample_rate_hz": sound.sample_rate_hz,
            "channels": sound.channels,
            "duration_s": sound.duration_s,
            **dataclasses.asdict(sound.levels),
            "n_shots": sound.n_shots,
            "samples_sha256": sound.samples_sha256,
            "warnings": list(sound.warnings),
        }
    return facts


def _list_pair(audit: Audit, pair: Pair) -> list[object]:
    one, two = audit.clips[pair.first].row, audit.clips[pair.second].row
    described = _describe_pair(audit, pair)
    facts = ["" if described[name] is None else described[name] for name in _SHARED]
    folds = ("", "") if audit.folds is None else (audit.folds[pair.first], audit.folds[pair.second])
    names = (one.recording, two.recording, pair.kind, one.label, two.label, one.group, two.group)
    return [*names, *folds, *facts]


def _format_groups(audit: Audit) -> str:
    """Return the proposed groups; folds only where none of them is torn apart by its folds."""
    header = ["recording", "label", "group"]
    rows: list[list[object]] = [
        [clip.row.recording, clip.row.label, group]
        for clip, group in zip(audit.clips, audit.proposed, strict=True)
    ]
    folds = audit.folds
    if folds is not None and len(set(zip(audit.proposed, folds, strict=True))) == len(
        set(audit.proposed)
    ):
        header.append("fold")
        for row, fold in zip(rows, folds, strict=True):
            row.append(fold)
    return _format_csv(header, rows)


def _format_csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
