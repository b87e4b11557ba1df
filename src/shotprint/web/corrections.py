"""What an examiner says beside the machine's answer: lines of a history, never written over it."""

from collections.abc import Mapping, Sequence
from typing import Any

ACTIONS = ("add", "move", "label", "delete", "restore")
TIMES = ("onset_s", "end_s")


def list_effective(lines: Sequence[Mapping[str, Any]]) -> tuple[list[Any], list[Any]]:
    """Return the corrections that hold, and those undone that can be done again, oldest first."""
    done: list[Any] = []
    undone: list[Any] = []
    for line in lines:
        if line["action"] == "undo":
            undone += [done.pop()] if done else []
        elif line["action"] == "redo":
            done += [undone.pop()] if undone else []
        elif line["action"] in ACTIONS:
            done.append(line)
            undone.clear()
    return done, undone


def apply_corrections(
    shots: Sequence[Mapping[str, Any]], lines: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return the shots after corrections, in order of time; the machine's own in ``machine``.

    Parameters
    ----------
    shots : the machine's, as the JSON ``shotprint/1`` has them, and ``llr``
    lines : the recording's history, oldest first
    """
    found = {f"m{place}": _show_machine(f"m{place}", shot) for place, shot in enumerate(shots)}
    for line in list_effective(lines)[0]:
        shot, after = line["shot"], line["after"]
        if line["action"] == "add":
            found[shot] = {"id": shot, **_UNKNOWN, **after, "origin": "added", "deleted": False}
            continue
        known = found.get(shot)
        if known is None:
            continue
        known.update(after)
        if known["origin"] == "machine":
            known["origin"] = "corrected"
    return sorted(found.values(), key=lambda shot: shot["onset_s"])


_UNKNOWN = dict.fromkeys(("label", "probability", "decision", "candidates", "llr", "machine"))


def _show_machine(name: str, shot: Mapping[str, Any]) -> dict[str, Any]:
    own = {key: shot.get(key) for key in (*TIMES, "label")}
    return {**_UNKNOWN, **shot, "id": name, "machine": own, "origin": "machine", "deleted": False}


def check_correction(
    shots: Sequence[Mapping[str, Any]], action: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a correction changes of a shot.

    Parameters
    ----------
    shots : as they are now
    values : ``shot``, ``onset_s``, ``end_s``, ``label`` of the request; None: not given

    Raises
    ------
    ValueError : in one line: a shot that is not there, times that are missing or the wrong way
    """
    known = {shot["id"]: shot for shot in shots}
    if action != "add" and values["shot"] not in known:
        raise ValueError(f"there is no shot {values['shot']!r}; expected one of the recording's")
    if action in ("add", "move"):
        onset_s, end_s = values["onset_s"], values["end_s"]
        if onset_s is None or end_s is None or not 0 <= onset_s < end_s:
            raise ValueError(
                f"the shot would last from {onset_s} to {end_s} s; expected 0 or more, and the "
                "end after the onset"
            )
    if action == "label" and not values["label"]:
        raise ValueError("a label was expected and none found; say what fired, or delete the shot")
    times = {name: values[name] for name in TIMES}
    changes: dict[str, dict[str, Any]] = {
        "add": {**times, "label": values["label"]},
        "move": times,
        "label": {"label": values["label"]},
        "delete": {"deleted": True},
        "restore": {"deleted": False},
    }
    return changes[action]


def describe_line(line: Mapping[str, Any]) -> str:
    """Return what a correction is of, in words, for a report: the machine's shots from 1 on."""
    after, shot = line["after"] or {}, line["shot"]
    number = int(shot[1:])
    text = f"shot {number + 1}" if shot[0] == "m" else f"added shot {number}"
    if "onset_s" in after:
        text += f" from {after['onset_s']:.3f} s to {after['end_s']:.3f} s"
    if after.get("label"):
        text += f", labelled {after['label']}"
    return text
