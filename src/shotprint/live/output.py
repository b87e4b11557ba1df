"""Events as lines: for people, or JSON Lines of schema ``shotprint-live/1`` (`docs/json.md`)."""

import json
import math
from datetime import UTC, datetime
from typing import Any

import shotprint
from shotprint.live.session import HeardShot, Message
from shotprint.recognition.results import Results, printable, show_shot

SCHEMA = "shotprint-live/1"
SETTINGS = ("channel", "clip_rule", "level", "calibration")


def format_json_head(source: str, results: Results) -> str:
    """Return the first line: what listens to what, and how; `results` may be without any."""
    head: dict[str, Any] = {
        "schema": SCHEMA,
        "shotprint": shotprint.__version__,
        "source": printable(source),
        "model": vars(results.model),
        "detector": None if results.detector is None else vars(results.detector),
        "settings": {name: results.settings[name] for name in SETTINGS},
    }
    return _dump(head)


def format_json_event(event: HeardShot | Message) -> str:
    """Return the line of a shot or a message."""
    time = None if event.time_s is None else format_utc(event.time_s)
    if isinstance(event, Message):
        facts = {"state": event.state, "text": printable(event.text), "at_s": event.at_s}
        return _dump({"kind": "message", "time": time, **facts})
    facts = {**show_shot(event.shot), "rate_of_fire_rpm": event.rate_of_fire_rpm}
    return _dump({"kind": "shot", "time": time, **facts})


def format_utc(time_s: float) -> str:
    """Return a time in ISO 8601, UTC, with milliseconds."""
    moment = datetime.fromtimestamp(time_s, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_local(time_s: float | None) -> str:
    """Return the time on this machine's clock with milliseconds; None: a dash."""
    if time_s is None:
        return "-"
    return datetime.fromtimestamp(time_s).isoformat(" ", "milliseconds")


def format_span(seconds: float) -> str:
    """Return hours, minutes, seconds and milliseconds."""
    thousandths = math.floor(seconds * 1000 + 0.5)
    minutes, thousandths = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{thousandths / 1000:06.3f}"


def format_shot(event: HeardShot, top: int) -> str:
    """Return the line of a shot, its parts separated by two spaces."""
    shot = event.shot
    candidates, calibres, categories = (
        each or () for each in (shot.candidates, shot.calibre, shot.category)
    )
    guns = [f"{score.label} {score.probability:.4f}" for score in candidates[:top]]
    parts = [
        format_local(event.time_s),
        format_span(shot.onset_s),
        *guns,
        *(f"{score[0].label} {score[0].probability:.4f}" for score in (calibres, categories)),
        f"shot {shot.detection_probability:.2f}",
        f"{shot.peak_dbfs:.1f} dBFS",
        *(["clipped"] if shot.clipped else []),
    ]
    return "  ".join(parts)


def format_message(message: Message) -> str:
    """Return the line of a message, to be written to standard error."""
    return f"{format_span(message.at_s)}: {message.text}"


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
