"""What is heard: the recordings of packs, and what networks give for their clips."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shotprint.audio import resample
from shotprint.backbones.torch_model import TorchModel
from shotprint.clips import ClipRule
from shotprint.errors import ShotprintError
from shotprint.packing import Pack
from shotprint.recognition.judgement import measure_clips
from shotprint.recognition.shots import merge_views, run_clips
from shotprint.splits import assign_folds, read_protocol
from shotprint.training.dataset import read_recorded_clips

MAX_CLIPS = 2
"""Clips of a recording from which gunshots and other sounds are told apart."""
COMMON_RATE_HZ = 16000
"""Every clip is heard as it is and once limited to this rate, or a narrow band would tell which
sounds are no gunshots: most collections of sounds have a lower rate than recordings of shots."""
N_FOLDS_OF_OTHERS = 5
Floats = NDArray[np.float32]
Clips = list[Floats]
Views = list[list[Floats]]  # of each recording, of each length of clips (n_clips, n_samples)


@dataclass(frozen=True)
class Sources:
    """What a calibration is made from.

    Attributes
    ----------
    run : folder of the training run (or weights) that is to be calibrated
    crossval : folder of a cross-validation by the same recipe
    pack : the pack of both
    shots, others : packs of other gunshots, such as distant ones, and of sounds that are none
    """

    run: Path
    crossval: Path
    pack: Path
    shots: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()


@dataclass(frozen=True, eq=False)
class Set:
    """Recordings of a pack.

    Attributes
    ----------
    folds, groups : of each recording
    clips, narrow : of each as recorded, and the first ones limited to the common rate
    measures : (n_clips, n_measures) of each, see `judgement.measure_clips`
    is_shot : whether they are gunshots
    """

    folds: NDArray[np.int64]
    groups: NDArray[np.str_]
    clips: Views
    narrow: Views
    measures: Clips
    is_shot: bool


@dataclass(frozen=True, eq=False)
class Heard:
    """What a network gives for the clips of each recording of a set.

    Attributes
    ----------
    log_probabilities, embeddings : of each recording, (n_clips, k) and (n_clips, d)
    """

    log_probabilities: list[Floats]
    embeddings: list[Floats]


def read_folds(sources: Sources, pack: Pack) -> NDArray[np.int64]:
    """Return the fold of each recording of the pack, of a finished and honest cross-validation."""
    path = sources.crossval / "protocol.csv"
    if not path.is_file() or not (sources.crossval / "crossval.json").is_file():
        raise ShotprintError(
            f"{sources.crossval} holds no finished cross-validation; run shotprint crossval first, "
            "or go on with it with --resume"
        )
    protocol = read_protocol(path)
    if protocol.leaks:
        raise ShotprintError(
            f"the protocol {protocol.name!r} of {sources.crossval} leaks, so its answers are surer "
            "than those for new recordings; calibrate on grouped folds"
        )
    return protocol.folds_for(pack.manifest["recording"].tolist())


def require_same(network: TorchModel, model: TorchModel, sources: Sources) -> None:
    """Raise `ShotprintError` unless both networks know the same labels and hear the same clips."""
    ours, theirs = model.metadata, network.metadata
    if (ours.label_names, ours.clip_rule) != (theirs.label_names, theirs.clip_rule):
        raise ShotprintError(
            f"{sources.crossval} is of networks with other labels or clips than {sources.run}; "
            "cross-validate with the recipe of the run"
        )


def code_truth(pack: Pack, model: TorchModel) -> NDArray[np.int64]:
    """Return the place of the true label of each recording among those of the model."""
    places = {label: place for place, label in enumerate(model.metadata.label_names)}
    labels = pack.manifest["label"].tolist()
    if unknown := sorted(set(labels) - set(places)):
        raise ShotprintError(
            f"the model does not know {unknown[0]!r} of the pack; give its own pack"
        )
    return np.array([places[label] for label in labels])


def read_other(pack: Pack, rule: ClipRule, is_shot: bool) -> Set:
    """Read another pack; its folds are those of its manifest, else whole groups are dealt."""
    manifest = pack.manifest
    has_folds = (manifest["fold"] != "").all()
    protocol = assign_folds(
        manifest, "manifest" if has_folds else "group", None if has_folds else N_FOLDS_OF_OTHERS
    )
    sounds = read_set(pack, rule, protocol.folds_for(manifest["recording"]), is_shot=is_shot)
    return dataclasses.replace(sounds, clips=[_take_first(each) for each in sounds.clips])


def read_set(pack: Pack, rule: ClipRule, folds: NDArray[np.int64], *, is_shot: bool) -> Set:
    """Read the clips of a pack, those of every shot."""
    rate_hz = pack.settings.sample_rate_hz
    rows = range(len(pack.manifest))
    clips = [
        [read_recorded_clips(pack, row, view, every_onset=True) for view in rule.views]
        for row in rows
    ]
    narrow = [[_narrow(view, rate_hz) for view in _take_first(each)] for each in clips]
    measures = [
        merge_views([[measure_clips(view, rate_hz, rule.onset_at_s)] for view in each])[0]
        for each in clips
    ]
    groups = pack.manifest["group"].where(pack.manifest["group"] != "", pack.manifest["recording"])
    return Set(folds, groups.to_numpy(dtype=str), clips, narrow, measures, is_shot)


def hear_both(model: TorchModel, sounds: Set, fold: int | None = None) -> tuple[Heard, Heard]:
    """Return what a network gives for the clips as recorded and for the narrow ones.

    Parameters
    ----------
    fold : whose recordings are heard with all their clips; of others the first ones are enough
    """
    clips = [
        each if number == fold else _take_first(each)
        for each, number in zip(sounds.clips, sounds.folds.tolist(), strict=True)
    ]
    return _hear(model, clips), _hear(model, sounds.narrow)


def _hear(model: TorchModel, recordings: Views) -> Heard:
    outputs = [
        merge_views([run_clips(model, view)[:2] for view in recording]) for recording in recordings
    ]
    return Heard([each[0] for each in outputs], [each[1] for each in outputs])


def _take_first(views: list[Floats]) -> list[Floats]:
    """Return the first clips of each length."""
    return [view[:MAX_CLIPS] for view in views]


def _narrow(clips: Floats, rate_hz: int) -> Floats:
    """Limit clips (n, n_samples) to the band of the common rate."""
    there = resample(clips, rate_hz, COMMON_RATE_HZ)
    return resample(there, COMMON_RATE_HZ, rate_hz)[:, : clips.shape[1]]


def take_out_of_fold(own: Set, heard: Mapping[int, Any]) -> Clips:
    """Return the log-probabilities of each recording by the network that did not hear it."""
    return [heard[fold][0][0].log_probabilities[row] for row, fold in enumerate(own.folds.tolist())]
