"""A validation as text and files: the table, ``validation.json``, ``llrs.csv``, the calibration."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from shotprint.evaluation.output import align_columns
from shotprint.evaluation.tables import write_rows
from shotprint.files import write_text
from shotprint.likelihood.validation import Validation
from shotprint.verbal import VerbalScale

COLUMNS = (
    ("cllr", "Cllr"),
    ("cllr_min", "Cllr_min"),
    ("cllr_cal", "Cllr_cal"),
    ("eer", "EER"),
    ("misleading_h1", "misleading H1"),
    ("misleading_h2", "misleading H2"),
)
_RATES = {"eer", "misleading_h1", "misleading_h2"}


def format_table(validation: Validation, scale: VerbalScale) -> str:
    """Return hypotheses, figures for all and for each condition, and bounds, for a terminal."""
    report, calibration = validation.report, validation.calibration
    rows = [["", "recordings", "groups", *(title for _, title in COLUMNS)]]
    rows += _format_part("all", report["all"])
    for name, parts in report["conditions"].items():
        for part in parts:
            rows += _format_part(f"{name} = {part['value']}", part)
    steps, confidence = report["steps"], report["resampling"]["confidence"]
    by = report["crossfit"]["by"]
    lines = [
        f"H1: {calibration.h1}; H2: {calibration.h2}",
        *align_columns(rows),
        f"brackets: {100 * confidence:g} % intervals, bootstrap over groups, none below "
        f"{report['min_groups']} groups; figures need {report['min_recordings']} recordings",
        "Cllr: below 1 the evidence helps, above 1 it does harm",
        f"Cllr of the scores {_figure('cllr', steps['scores'])}, calibrated without the {by} that "
        f"is tested {_figure('cllr', steps['calibrated'])}, bounded "
        f"{_figure('cllr', steps['bounded'])}",
        "Cllr with other calibrations, bounded: "
        + ", ".join(f"{name} {_figure('cllr', x)}" for name, x in report["calibrators"].items()),
        f"llr of a new recording: {calibration.slope:.3f} · score {calibration.intercept:+.3f}, "
        f"from {calibration.lower:.2f} to {calibration.upper:.2f} ({scale.name}: "
        f"{scale.describe(calibration.lower)} … {scale.describe(calibration.upper)})",
    ]
    if report["n_simulated"]:
        n, n_all = report["n_simulated"], report["n_recordings"]
        lines.insert(0, f"{n} of {n_all} recordings are simulated shots, not real ones")
    return "\n".join(lines)


def write_validation(
    folder: str | os.PathLike[str],
    validation: Validation,
    scale: VerbalScale,
    inputs: Mapping[str, str],
) -> list[Path]:
    """Write ``validation.json``, ``llrs.csv`` and ``calibration.json``; return their paths.

    Parameters
    ----------
    inputs : every file read → its SHA-256
    """
    folder = Path(folder)
    report = {**validation.report, "verbal_scale": scale.name, "inputs": dict(inputs)}
    text = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / "validation.json", f"{text}\n")
    write_text(folder / "calibration.json", validation.calibration.to_json())
    write_rows(folder / "llrs.csv", _list_llrs(validation, scale))
    return [folder / name for name in ("validation.json", "calibration.json", "llrs.csv")]


def _format_part(name: str, part: Mapping[str, Any]) -> list[list[str]]:
    """Return the row of figures and the row of their intervals; one row where there are none."""
    head = [name, str(part["n_recordings"]), str(part["n_groups"])]
    blank = [""] * (len(COLUMNS) - 1)
    if part["figures"] is None:
        return [[*head, "too few", *blank]]
    figures = [(key, part["figures"][key]) for key, _ in COLUMNS]
    values = [*head, *(_figure(key, each["value"]) for key, each in figures)]
    if part["remark"] is not None:
        return [values]
    ends = [" ".join(_figure(key, end) for end in each["interval"]) for key, each in figures]
    return [values, ["", "", "", *(f"[{pair}]" for pair in ends)]]


def _figure(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if key in _RATES else f"{value:.3f}"


def _list_llrs(validation: Validation, scale: VerbalScale) -> Iterable[list[object]]:
    claims, found = validation.claims, validation.evidence
    yield ["recording", "group", "held_out", "claim", "truth", "score", "llr", "low", "high",
           "bounded", "words"]  # fmt: skip
    for i, true in enumerate(claims.truth):
        for j, value in enumerate(claims.values):
            llr = float(found.llr[i, j])
            numbers = (claims.scores[i, j], llr, found.low[i, j], found.high[i, j])
            yield [
                claims.recordings[i],
                claims.groups[i],
                validation.parts[i],
                value,
                "H1" if j == true else "H2",
                *(f"{number:.4f}" for number in numbers),
                "yes" if found.is_bounded[i, j] else "no",
                scale.describe(llr),
            ]
