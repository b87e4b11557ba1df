"""A manifest becomes an audit: clips read, pairs found, groups proposed, findings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shotprint.audio import FoundRecording
from shotprint.audit.confounds import Confound, list_facts, measure_confounds
from shotprint.audit.groups import propose_groups
from shotprint.audit.pairs import Pair, find_pairs
from shotprint.audit.records import Clip, ClipRow, Shelf, hear_clip
from shotprint.detection import Detector
from shotprint.errors import ShotprintError
from shotprint.progress import show_progress
from shotprint.recognition.running import Run, count_jobs, run_recordings
from shotprint.splits import DEFAULT_N_FOLDS, Protocol, assign_folds

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found out about a set.

    Attributes
    ----------
    clips : in the order of the manifest
    folds : of each clip; None: the set has none, and no protocol was given
    n_folds : how many there are, or would be made
    fold_source : where folds come from, in words
    proposed : group of each clip
    """

    clips: tuple[Clip, ...]
    pairs: tuple[Pair, ...]
    folds: tuple[str, ...] | None
    fold_source: str
    n_folds: int
    proposed: tuple[str, ...]
    confounds: tuple[Confound, ...]


def audit_manifest(
    manifest: "DataFrame",
    protocol: Protocol | None,
    detector: Detector | None,
    jobs: int = 0,
) -> Audit:
    """Read every clip of a manifest and look for what makes figures on it too good.

    Parameters
    ----------
    protocol : whose folds are looked at; None: those of the column fold, if it is filled
    detector : that counts the shots of each clip; None: they are not counted
    jobs : clips worked on at a time; 0: as many as there are cores

    Raises
    ------
    ShotprintError
        No clip can be read, or the column fold is filled in part.
    """
    folds, source = _take_folds(manifest, protocol)
    with Shelf() as shelf:
        clips = _read_clips(manifest, shelf, detector, jobs)
        if all(clip.sound is None for clip in clips):
            raise ShotprintError(
                f"none of the {len(clips)} recordings can be read ({clips[0].row.path}: "
                f"{clips[0].error}); check the paths of the manifest"
            )
        pairs = find_pairs(clips, shelf, count_jobs(jobs))
    rows = [clip.row for clip in clips]
    recordings, known = [row.recording for row in rows], [row.group for row in rows]
    proposed = propose_groups(recordings, known, pairs)
    return Audit(
        clips=tuple(clips),
        pairs=tuple(pairs),
        folds=None if folds is None else tuple(folds),
        fold_source=source,
        n_folds=DEFAULT_N_FOLDS if folds is None else len(set(folds)),
        proposed=tuple(proposed),
        confounds=tuple(_measure_confounds(manifest, clips, proposed, folds)),
    )


def _take_folds(manifest: "DataFrame", protocol: Protocol | None) -> tuple[list[str] | None, str]:
    """Return the fold of each row, and where they come from."""
    if protocol is not None:
        folds = protocol.folds_for(manifest["recording"]).tolist()
        return [str(fold) for fold in folds], f"protocol {protocol.name}"
    values = manifest["fold"].tolist()
    if not any(values):
        return None, "none"
    if missing := [r for r, value in zip(manifest["recording"], values, strict=True) if not value]:
        raise ShotprintError(
            f"{len(missing)} recordings have no fold (such as {missing[0]}), others have one; "
            "fill the column in, empty it, or give --protocol"
        )
    return values, "column fold"


def _read_clips(
    manifest: "DataFrame", shelf: Shelf, detector: Detector | None, jobs: int
) -> list[Clip]:
    columns = ["recording", "path", "sha256", "label", "group", "fold"]
    rows = [
        ClipRow(recording, Path(path), *others)
        for recording, path, *others in manifest[columns].itertuples(index=False, name=None)
    ]
    found = [FoundRecording(str(row.path), row.recording) for row in rows]

    def hear(recording: FoundRecording, sha256: str, run: Run) -> Clip:
        sound = hear_clip(recording.path, shelf, detector)
        return Clip(by_name[recording.name], sha256, sound)

    def fail(recording: FoundRecording, error: str, sha256: str | None) -> Clip:
        text = error.removeprefix(f"{recording.path}: ")
        return Clip(by_name[recording.name], sha256, None, text)

    by_name = {row.recording: row for row in rows}
    results = run_recordings(found, hear, fail, jobs)
    return list(show_progress(results, total=len(rows), description="reading"))


def _measure_confounds(
    manifest: "DataFrame",
    clips: Sequence[Clip],
    proposed: Sequence[str],
    folds: Sequence[str] | None,
) -> list[Confound]:
    """Measure on the set's own folds, or on folds that keep the proposed groups whole."""
    if folds is None:
        n_groups = len(set(proposed))
        if n_groups < 2:
            return []
        table = manifest.assign(group=list(proposed))
        protocol = assign_folds(table, "group", min(DEFAULT_N_FOLDS, n_groups))
        folds = [str(fold) for fold in protocol.folds_for(manifest["recording"])]
    heard = [i for i, clip in enumerate(clips) if clip.sound is not None]
    numbers = {fold: number for number, fold in enumerate(sorted(set(folds)))}
    return measure_confounds(
        list_facts([sound for clip in clips if (sound := clip.sound) is not None]),
        [clips[i].row.label for i in heard],
        [proposed[i] for i in heard],
        [numbers[folds[i]] for i in heard],
    )
