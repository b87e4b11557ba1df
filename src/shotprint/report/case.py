"""What a report is about: exhibits, answers, likelihood ratios; gathered, not yet written."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import shotprint
from shotprint.audio import FoundRecording, Probe, probe
from shotprint.audio.tags import read_stated_time
from shotprint.decisions import NOT_A_GUNSHOT, UNKNOWN_GUN, Decision
from shotprint.errors import RecordingError, ShotprintError
from shotprint.evidence import HYPOTHESES, LikelihoodCalibration
from shotprint.files import compute_sha256
from shotprint.recognition import Recognizer
from shotprint.recognition.likelihoods import Ratio, find_calibration, rate_recording
from shotprint.recognition.results import RecordingResult, Results, Score
from shotprint.report.layout import Layout, read_layout
from shotprint.report.sealing import check_key
from shotprint.report.settings import Correction, ReportSettings
from shotprint.report.texts import Texts, read_texts
from shotprint.verbal import read_scale
from shotprint.weights import shipped_model

LOSSLESS = ("PCM", "FLAC", "ALAC", "FLOAT", "DOUBLE", "WAVPACK", "TTA", "APE")
SHIPPED_CARD = "shipped/guns8_mn04.md"
LOGO_KINDS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}


@dataclass(frozen=True)
class Exhibit:
    """A recording of the case.

    Attributes
    ----------
    number : from 1, in the order given
    probe : what its header states; None: it cannot be opened
    stated_time : of the recording, as its tags claim
    ratios, shot_ratios : of the recording and of each shot, the asked hypothesis first; none
        where no listed gun is supposed to have fired
    corrections : by an examiner
    """

    number: int
    path: Path
    size_bytes: int | None
    probe: Probe | None
    stated_time: str | None
    result: RecordingResult
    ratios: tuple[Ratio, ...] = ()
    shot_ratios: tuple[tuple[Ratio, ...], ...] = ()
    corrections: tuple[Correction, ...] = ()

    @property
    def is_lossy(self) -> bool:
        """Whether its codec leaves out what is hard to hear."""
        codec = "" if self.probe is None else self.probe.codec.upper()
        return bool(codec) and not codec.startswith(LOSSLESS)


@dataclass(frozen=True)
class Means:
    """What a report is written with: opened and checked before anything is recognised.

    Attributes
    ----------
    calibrations : hypothesis → likelihood ratios, the asked one first
    logo : kind (``png``, ``jpeg``) and bytes
    template : text of a Jinja template; None: the shipped page
    card : Markdown; empty: there is none
    track : which sound track of a video was heard, from 0; None: the best
    """

    settings: ReportSettings
    texts: Texts
    calibrations: Mapping[str, LikelihoodCalibration]
    logo: tuple[str, bytes] | None
    template: str | None
    layout: Layout
    card: str
    date: str
    track: int | None


@dataclass(frozen=True)
class Case:
    """All that a report shows."""

    exhibits: tuple[Exhibit, ...]
    answers: Results
    recognizer: Recognizer
    means: Means

    @property
    def shots(self) -> list[tuple[Exhibit, int]]:
        """Every shot as its exhibit and its place there."""
        return [(each, i) for each in self.exhibits for i in range(len(each.result.shots))]


def prepare(settings: ReportSettings, recognizer: Recognizer) -> Means:
    """Read all that the settings name, so that what is wrong is said before the work.

    Raises
    ------
    ShotprintError : a file that is missing or wrong, a value that the model does not know
    """
    metadata = recognizer.model.metadata
    kinds = [settings.hypothesis, *(kind for kind in HYPOTHESES if kind != settings.hypothesis)]
    known = [kind for kind in kinds if kind in metadata.evidence]
    calibrations = {kind: find_calibration(metadata, kind) for kind in known}
    if settings.values:
        asked = find_calibration(metadata, settings.hypothesis)
        for value in settings.values:
            if value not in asked.values.values():
                raise ShotprintError(
                    f"the hypotheses know no {settings.hypothesis} {value!r}; give one of "
                    f"{', '.join(sorted(set(asked.values.values())))}"
                )
    if settings.key is not None:
        check_key(settings.key, settings.key_password)
    texts = read_texts(settings.language, settings.texts)
    if settings.verbal is not None:
        texts.scale = read_scale(settings.verbal)
    return Means(
        settings=settings,
        texts=texts,
        calibrations=calibrations,
        logo=None if settings.logo is None else _read_logo(settings.logo),
        template=None if settings.template is None else _read_file(settings.template, "template"),
        layout=read_layout(settings.layout),
        card=_find_card(settings, recognizer),
        date=settings.find_date(),
        track=recognizer.settings.track,
    )


def gather(
    found: Sequence[FoundRecording],
    results: Sequence[RecordingResult],
    recognizer: Recognizer,
    means: Means,
    corrections: Mapping[str, Sequence[Correction]],
) -> Case:
    """Put recordings, answers and likelihood ratios together.

    Parameters
    ----------
    results : of `found`, in the same order
    corrections : hash of a recording → what an examiner said of it
    """
    exhibits = tuple(
        _make_exhibit(number, recording, result, means, corrections)
        for number, (recording, result) in enumerate(zip(found, results, strict=True), 1)
    )
    return Case(exhibits, recognizer.collect(results), recognizer, means)


def _make_exhibit(
    number: int,
    recording: FoundRecording,
    result: RecordingResult,
    means: Means,
    corrections: Mapping[str, Sequence[Correction]],
) -> Exhibit:
    opened = stated = size = None
    if recording.error is None:
        try:
            size = recording.path.stat().st_size
            opened = probe(recording.path, track=means.track)
            stated = read_stated_time(recording.path)
        except (RecordingError, OSError):
            pass  # its result says what is wrong with it
    return Exhibit(
        number=number,
        path=recording.path,
        size_bytes=size,
        probe=opened,
        stated_time=stated,
        result=result,
        ratios=_rate(result, result.decision, result.candidates, means),
        shot_ratios=tuple(
            _rate(result, shot.decision, shot.candidates, means) for shot in result.shots
        ),
        corrections=tuple(corrections.get(result.sha256 or "", ())),
    )


def _rate(
    result: RecordingResult,
    decision: Decision | None,
    candidates: tuple[Score, ...] | None,
    means: Means,
) -> tuple[Ratio, ...]:
    """Return the ratios of the values asked for, and the strongest of each other hypothesis."""
    if not candidates or decision is None or decision.level in (NOT_A_GUNSHOT, UNKNOWN_GUN):
        return ()
    about = dataclasses.replace(result, candidates=candidates)
    settings = means.settings
    ratios: list[Ratio] = []
    for kind, calibration in means.calibrations.items():
        values = settings.values if kind == settings.hypothesis else ()
        found = rate_recording(about, calibration, values)
        ratios += found if values else found[:1]
    return tuple(ratios)


def _read_file(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ShotprintError(f"{path} cannot be read as a {what} ({error})") from None


def _read_logo(path: Path) -> tuple[str, bytes]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ShotprintError(f"{path} cannot be read as a logo ({error})") from None
    for start, kind in LOGO_KINDS.items():
        if content.startswith(start):
            return kind, content
    raise ShotprintError(f"{path} is no logo that can be shown; give a PNG or JPEG file")


def _find_card(settings: ReportSettings, recognizer: Recognizer) -> str:
    """Return the card that was given, or the shipped one where the shipped model answers."""
    if settings.card is not None:
        return _read_file(settings.card, "model card")
    shipped = compute_sha256(shipped_model())
    if recognizer.model.sha256 != shipped:
        return ""
    return resources.files("shotprint").joinpath(SHIPPED_CARD).read_text(encoding="utf-8")


def list_versions() -> dict[str, str]:
    """Return the versions of Python, shotprint and of what the answers rest on."""
    import platform
    from importlib.metadata import version

    names = ("numpy", "onnxruntime", "soundfile", "soxr", "av")
    return {
        "shotprint": shotprint.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **{name: version(name) for name in names},
    }
