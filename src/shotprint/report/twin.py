"""The report as JSON: schema ``shotprint-report/1`` (see ``docs/report.md``)."""

import json
from typing import Any

from shotprint.recognition.likelihoods import Ratio
from shotprint.recognition.results import printable
from shotprint.report.case import Case, Exhibit, list_versions

SCHEMA = "shotprint-report/1"


def format_twin(case: Case) -> str:
    """Return the document; the same case gives the same bytes."""
    means, settings = case.means, case.means.settings
    metadata = case.recognizer.model.metadata
    content: dict[str, Any] = {
        "schema": SCHEMA,
        "date": means.date,
        "language": means.texts.language,
        "case": settings.case,
        "laboratory": settings.laboratory,
        "examiner": settings.examiner,
        "question": settings.question,
        "hypotheses": [
            {
                "hypothesis": kind,
                "h1": calibration.h1,
                "h2": calibration.h2,
                "values": list(settings.values) if kind == settings.hypothesis else [],
                **{
                    name: getattr(calibration, name)
                    for name in ("lower", "upper", "confidence", "n_recordings", "n_groups")
                },
            }
            for kind, calibration in means.calibrations.items()
        ],
        "verbal_scale": means.texts.scale.name,
        "exhibits": [_show_exhibit(each, case) for each in case.exhibits],
        "model": {
            "description": metadata.description,
            "limits": metadata.limits,
            "licences": dict(metadata.licences),
            "card": means.card,
        },
        "command": settings.command,
        "versions": list_versions(),
        "answers": json.loads(case.answers.to_json()),
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _show_exhibit(exhibit: Exhibit, case: Case) -> dict[str, Any]:
    opened = exhibit.probe
    return {
        "number": exhibit.number,
        "path": printable(exhibit.result.path),
        "sha256": exhibit.result.sha256,
        "size_bytes": exhibit.size_bytes,
        "container": opened and opened.container,
        "codec": opened and opened.codec,
        "is_lossy": exhibit.is_lossy if opened else None,
        "sample_rate_hz": opened and opened.sample_rate_hz,
        "channels": opened and opened.n_channels,
        "tracks": opened and opened.n_tracks,
        "duration_s": exhibit.result.duration_s,
        "stated_time": exhibit.stated_time,
        "ratios": [_show_ratio(each, case) for each in exhibit.ratios],
        "shot_ratios": [[_show_ratio(each, case) for each in shot] for shot in exhibit.shot_ratios],
        "corrections": [vars(each) for each in exhibit.corrections],
    }


def _show_ratio(ratio: Ratio, case: Case) -> dict[str, Any]:
    return {
        "value": ratio.value,
        "log10_lr": round(ratio.llr, 6),
        "low": round(ratio.low, 6),
        "high": round(ratio.high, 6),
        "is_bounded": ratio.is_bounded,
        "words": case.means.texts.write_strength(ratio.llr),
    }
