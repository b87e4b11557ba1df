"""ShotSpotter's live fire test in Pittsburgh: real city, three handguns, sensors far away.

``<site>/FP<n>/test_<nnn>/test_<nnn>.audio.<sensor>.wav``, JSON of the same name beside it, and in
each test folder the survey (gun, position, number of shots), the pulses that sensors reported and
which of them belong to which shot. A shot's onset in a recording is the arrival of that sensor's
pulse, where one was attributed to the shot, after the recording's first sample.
"""

import datetime
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from shotprint.datasets.contract import (
    Imported,
    Listing,
    Row,
    finish_import,
    is_most,
    list_folder,
    refuse,
    remark_if,
    remark_on_others,
)

NAME = "shotspotter"
DESCRIPTION = (
    "Three handguns fired at nine places of a city, heard by the sensors of a gunshot location "
    "system 45 m to 1.3 km away."
)
SIZE = "765 recordings of 162 tests, 10 s, 12 kHz mono"
LABELS = "3 handguns by calibre (.45, .40, 9 mm), as the survey words them"
GROUPS = (
    "test: all sensors that heard the same shots. Hold out the column position to see other places"
)
COLUMNS = {
    "site": "the live fire session",
    "position": "firing position, FP1 to FP9",
    "test": "number of the test",
    "recorder": "serial number of the sensor",
    "distance_m": "straight line from the surveyed firing position to the sensor",
    "n_shots": "shots fired in the test",
    "shot_onsets_s": (
        "onsets in seconds, separated by spaces, of the shots to which a pulse of the sensor was "
        "attributed; fewer than n_shots where some were not"
    ),
}
CITATION = (
    "R. B. Calhoun: ShotSpotter sample live fire test data, released with Tech Note 098, "
    "Precision and accuracy of acoustic gunshot location in an urban environment (2021)"
)
LICENCE = "CC BY 4.0"
HOW_TO_GET = "github.com/ShotSpotter/research.accuracy-of-gunshot-location"
GOOD_FOR = (
    "Good for finding shots at a distance and for positions that were not trained on. Not for "
    "naming a gun: three calibres on one day. Files are padded with digital zeros and sound mostly "
    "starts 1.0 s before the first shot, which a detector can learn instead of the shot."
)
LAYOUT = "<site>/FP<n>/test_<nnn>/test_<nnn>.audio.<sensor>.wav, test_<nnn>.survey.json and others"

_AUDIO = re.compile(r"(?P<test>test_(?P<number>\d+))\.audio\.(?P<sensor>.+)")
_JSON = re.compile(r"test_\d+\.(audio\..+|survey|weather|allpulses|nlos-tuples)\.json")
_DOCUMENT = re.compile(r"README.*\.md|.*\.pdf|LICENSE.*", re.IGNORECASE)


def matches(listing: Listing) -> bool:
    """Tell whether most recordings are named as those of the set."""
    return is_most([n for n in listing.recordings if _match_name(n)], listing.recordings)


def import_dir(
    directory: str | os.PathLike[str],
    *,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Imported:
    """List the recordings of the set, with distance and onsets from the JSON beside them.

    Raises
    ------
    ShotprintError
        No such folder, no recording of a test with a survey, a label that does not occur.
    """
    top = Path(directory)
    listing = list_folder(top)
    audio = [name for name in listing.recordings if _match_name(name)]
    if not audio:
        raise refuse(directory, listing, LAYOUT)
    reader = _Reader(top)
    rows = [row for name in audio if (row := reader.read_row(name))]
    if not rows:
        found = f"{len(audio)} recordings of tests, but no survey.json that can be read"
        raise refuse(directory, listing, LAYOUT, found)
    known = [
        name
        for name in listing.others
        if any(form.fullmatch(PurePosixPath(name).name) for form in (_JSON, _DOCUMENT))
    ]
    remarks = (
        *listing.remarks,
        *remark_if(
            "recordings that are not test_<nnn>.audio.<sensor>, left out",
            sorted({*listing.recordings} - {*audio}),
        ),
        *remark_on_others(listing, known),
        *remark_if(
            "recordings whose survey.json cannot be read, left out",
            sorted({*audio} - {row["recording"] for row in rows}),
            is_loss=True,
        ),
        *remark_if(
            "files that cannot be read; distance or onsets are unknown",
            [f"{name} ({why})" for name, why in reader.failed.items()],
        ),
        *remark_if(
            "recordings without a pulse for some of their shots",
            [
                row["recording"]
                for row in rows
                if len(row["shot_onsets_s"].split()) != int(row["n_shots"])
            ],
        ),
        *remark_if("JSON of recordings that are not there", _find_lonely(listing, audio)),
    )
    return finish_import(top, rows, remarks, only, exclude)


@dataclass(frozen=True)
class _Survey:
    """What was fired where: metres from an arbitrary origin, the same for the whole test."""

    firearm: str
    position: str
    n_shots: int
    place_m: tuple[float, ...]


class _Reader:
    """Reads each JSON file once; `failed` keeps why one could not be read."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.failed: dict[str, str] = {}
        self._known: dict[str, Any] = {}

    def read_row(self, name: str) -> Row:
        """Return the row of a recording; empty without a survey, which says what was fired."""
        audio, match = PurePosixPath(name), _match_name(name)
        assert match is not None, name
        test = str(audio.with_name(match["test"]))
        survey: _Survey | None = self._load(f"{test}.survey.json", _parse_survey)
        if survey is None:
            return {}
        sensor = self._load(f"{audio.with_suffix('')}.json", _parse_sensor)
        site, position, folder = (self.top.resolve() / name).parts[-4:-1]
        return {
            "recording": name,
            "label": survey.firearm,
            "group": f"{site}/{position}/{folder}",
            "site": site,
            "position": survey.position,
            "test": match["number"],
            "recorder": match["sensor"],
            "distance_m": f"{math.dist(survey.place_m, sensor[1]):.1f}" if sensor else "",
            "n_shots": str(survey.n_shots),
            "shot_onsets_s": self._list_onsets(test, match["sensor"], sensor[0]) if sensor else "",
        }

    def _list_onsets(self, test: str, sensor: str, start: datetime.datetime) -> str:
        """Return when the pulses of a sensor came that were attributed to shots of a test."""
        pulses = self._load(f"{test}.allpulses.json", _parse_pulses)
        shots = self._load(f"{test}.nlos-tuples.json", _parse_shots)
        if pulses is None or shots is None:
            return ""
        arrivals = [
            [pulses[uuid][1] for uuid in shot if uuid in pulses and pulses[uuid][0] == sensor]
            for shot in shots
        ]
        onsets_s = sorted((min(times) - start).total_seconds() for times in arrivals if times)
        return " ".join(f"{onset_s:.3f}" for onset_s in onsets_s)

    def _load(self, name: str, parse: Callable[[Any], Any]) -> Any:
        """Return what a JSON file says, None if it cannot be read."""
        if name not in self._known:
            try:
                self._known[name] = parse(json.loads((self.top / name).read_text("utf-8")))
            except OSError as error:
                self._known[name] = None
                self.failed[name] = error.strerror or str(error)
            except (ValueError, KeyError, TypeError) as error:
                self._known[name] = None
                self.failed[name] = f"not what was expected: {error!r}"
        return self._known[name]


def _match_name(name: str) -> re.Match[str] | None:
    return _AUDIO.fullmatch(PurePosixPath(name).stem)


def _parse_survey(content: Any) -> _Survey:
    place_m = _parse_place(content["survey_location"])
    n_shots = int(content["num_rounds"])
    return _Survey(str(content["firearm"]), str(content["firing_position"]), n_shots, place_m)


def _parse_sensor(content: Any) -> tuple[datetime.datetime, tuple[float, ...]]:
    return _parse_time(content["timestamp"]), _parse_place(content["location"])


def _parse_pulses(content: Any) -> dict[str, tuple[str, datetime.datetime]]:
    return {
        pulse["pulse_uuid"]: (pulse["serial_number"], _parse_time(pulse["arrival_time_utc"]))
        for pulse in content
    }


def _parse_shots(content: Any) -> list[list[str]]:
    return [list(shot["pulse_uuids"]) for shot in content]


def _parse_place(location: Any) -> tuple[float, ...]:
    return tuple(float(location[axis]) for axis in "xyz")


def _parse_time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _find_lonely(listing: Listing, audio: Iterable[str]) -> list[str]:
    """Return the JSON files of recordings (not of tests) that are not there."""
    stems = {str(PurePosixPath(name).with_suffix("")) for name in audio}
    named = [name for name in listing.others if ".audio." in name and _JSON.search(name)]
    return [name for name in named if name.removesuffix(".json") not in stems]
