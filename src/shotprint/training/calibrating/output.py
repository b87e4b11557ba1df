"""The calibration as a file, and as the lines that a command shows."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shotprint.errors import ShotprintError
from shotprint.training.calibrating.sets import COMMON_RATE_HZ

SCHEMA = "shotprint-calibration/1"


def read_calibration(path: str | os.PathLike[str], weights_sha256: str) -> dict[str, Any]:
    """Return the entries ``calibration``, ``judgement`` and ``evidence`` for an export.

    Raises
    ------
    ShotprintError : it cannot be read, or was made for other weights
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(content["schema"])
        entries = {name: content.get(name, {}) for name in ("judgement", "evidence")}
        entries["calibration"] = content["calibration"]
    except OSError as error:
        raise ShotprintError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise ShotprintError(
            f"{path} is no calibration; make one with shotprint calibrate"
        ) from None
    if content["weights_sha256"] != weights_sha256:
        raise ShotprintError(
            f"{path} was made for other weights ({content['weights_sha256'][:12]}…, not "
            f"{weights_sha256[:12]}…); calibrate this run"
        )
    return entries


def describe(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that a calibration is shown by."""
    figures, calibration = content["figures"], content["calibration"]
    yield (
        f"temperature {calibration['temperature']:g}; correlation of shots of a recording "
        f"{calibration['correlation']:g}, of recordings of a source "
        f"{calibration['source_correlation']:g}"
    )
    names = {"recordings_raw": "uncalibrated", "recordings": "calibrated", "clips": "single shots"}
    for key, name in names.items():
        parts = [
            f"{figure} {figures[key][entry]['value']:.4f}{_ends(figures[key][entry])}"
            for entry, figure in (("log_loss", "log-loss"), ("brier", "Brier"), ("ece", "ECE"))
        ]
        yield f"{name} ({figures[key]['n']}): {', '.join(parts)}"
    for row in figures["decisions"]:
        error = "–" if row["error"] is None else f"{row['error']:.3f}"
        counts = ", ".join(f"{name} {n}" for name, n in row["counts"].items())
        yield f"stated at {row['level']:g}: {row['coverage']:.3f}, wrong {error} ({counts})"
    guns = figures["guns"]
    yield (
        f"number of guns, 1 to 3: right in {guns['accuracy']:.3f} of {guns['n']} composed cases "
        f"(guessing {guns['chance']['accuracy']:.3f}), log-loss {guns['log_loss']:.3f} (guessing "
        f"{guns['chance']['log_loss']:.3f})"
    )
    for row in guns["by_n_guns"]:
        yield f"  {row['n_guns']} fired: answered 1, 2, 3 in {row['answers']} of {row['n']}"
    for name, figure in figures["likelihood_ratios"].items():
        if figure is not None:
            shown = [_describe_figure(figure, key) for key in ("cllr", "cllr_min", "eer")]
            yield f"likelihood ratios, {name}: {', '.join(shown)}"
    if gunshots := figures.get("gunshots"):
        yield (
            f"gunshots against other sounds at {COMMON_RATE_HZ} Hz: AUROC {gunshots['auroc']:.4f}; "
            f"accepted {gunshots['guns_accepted']:.3f} of {gunshots['n_guns']} gunshots, "
            f"{gunshots['others_accepted']:.3f} of {gunshots['n_others']} other sounds"
        )
        for row in gunshots["other_shots"]:
            accepted = f"accepted {row['accepted']:.3f} of {row['n']}"
            yield f"other gunshots: AUROC {row['auroc']:.4f}, {accepted}"


def _describe_figure(figures: Mapping[str, Any], name: str) -> str:
    ends = figures[name]["interval"]
    interval = f" ({ends[0]:.3f}–{ends[1]:.3f})" if ends else ""
    return f"{name} {figures[name]['value']:.3f}{interval}"


def _ends(figure: Mapping[str, Any]) -> str:
    ends = figure["bootstrap"]
    return f" ({ends[0]:.4f}–{ends[1]:.4f})" if ends else ""
