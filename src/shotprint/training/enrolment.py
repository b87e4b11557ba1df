"""Calibration of the comparison with enrolled guns, from networks that never heard the gun.

For each gun there is a cross-validation on all the others. The network of a fold heard neither
that gun nor the recordings of the fold. So the gun is enrolled from a few of its recordings of
other folds, and every recording of the fold is compared with it: those of the gun, of other
sources than the references, and those of other guns, which the network knows from other sources.
"""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import shotprint
from shotprint.backbones.torch_model import TorchModel
from shotprint.errors import ShotprintError
from shotprint.evaluation.intervals import Resampling
from shotprint.evidence import LikelihoodCalibration
from shotprint.files import write_text
from shotprint.likelihood.enrolment import (
    EnrolmentTrials,
    bootstrap_trials,
    collect_trials,
    crossfit_trials,
    fit_trials,
    measure_trials,
)
from shotprint.likelihood.metrics import measure
from shotprint.packing import Pack, open_pack
from shotprint.progress import show_progress
from shotprint.recognition.shots import merge_views, run_clips
from shotprint.references import ReferenceSpace, fit_space
from shotprint.splits import read_protocol
from shotprint.training.dataset import read_recorded_clips

SCHEMA = "shotprint-enrolment/1"
N_REFERENCES = (1, 3, 5, 10)
N_DRAWS = 5
"""Times that references are drawn for each gun, fold and number of them."""
MAX_CLIPS = 2
RESAMPLING = Resampling(n_resamples=200)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Recordings of a pack: gun, source and clips of each."""

    pack: Pack
    labels: NDArray[np.str_]
    groups: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Every comparison of a questioned recording with an enrolled gun.

    Attributes
    ----------
    scores : (n,)
    rows : (n, 3) codes of the enrolled gun and of the one that fired, number of references
    groups : (n,) source of the questioned recording
    is_first : (n,) whether it is nearer to the references than to every listed model
    same_take : (n,) whether the references are other recordings of its own source
    """

    scores: Floats
    rows: NDArray[np.int64]
    groups: NDArray[np.str_]
    is_first: NDArray[np.bool_]
    same_take: NDArray[np.bool_]


def calibrate_enrolment(
    run: Path, without: Path, pack_path: Path, path: str | os.PathLike[str]
) -> dict[str, Any]:
    """Fit and measure; write what ``shotprint export --enrolment`` takes.

    Parameters
    ----------
    run : folder of the training run that will be used
    without : folder that holds for each gun a folder with ``cv``, a cross-validation without it
    pack_path : the pack of the run

    Raises
    ------
    ShotprintError : a cross-validation is missing or of other guns; fewer than four guns
    """
    model, pack = TorchModel(run, firearms={}), open_pack(pack_path)
    manifest = pack.manifest
    groups = manifest["group"].where(manifest["group"] != "", manifest["recording"])
    own = Labelled(pack, manifest["label"].to_numpy(str), groups.to_numpy(str))
    found = compare_all(own, find_crossvals(own, without))
    counted = ~found.same_take
    trials = collect_trials(
        found.scores[counted],
        *(found.rows[counted, 0], found.rows[counted, 1]),
        *(found.groups[counted], found.rows[counted, 2]),
    )
    space = fit_space(hear(model, own), own.labels.tolist())
    content = {
        "schema": SCHEMA,
        "shotprint": shotprint.__version__,
        "weights_sha256": model.sha256,
        "enrolment": {
            "space": space.to_mapping(),
            "calibration": json.loads(_fit(trials, own).to_json()),
        },
        "figures": _measure(trials, found, sorted(set(own.labels.tolist()))),
    }
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    return content


def find_crossvals(own: Labelled, without: Path) -> dict[str, Path]:
    """Return the cross-validation that leaves out each gun."""
    everything = set(own.labels.tolist())
    found = {}
    for path in sorted(without.glob("*/cv/crossval.json")):
        first = min(path.parent.glob("fold-*"))
        missing = everything - set(TorchModel(first, firearms={}).metadata.label_names)
        if len(missing) != 1:
            raise ShotprintError(
                f"{path.parent} leaves out {len(missing)} guns of the pack; expected a "
                "cross-validation of all but one"
            )
        found[missing.pop()] = path.parent
    if not found:
        raise ShotprintError(
            f"{without} holds no finished cross-validation GUN/cv; make one for each gun, of all "
            "the others"
        )
    return found


def compare_all(own: Labelled, crossvals: Mapping[str, Path]) -> Comparisons:
    """Enrol each gun in networks that did not hear it, and compare every recording with it."""
    names = sorted(set(own.labels.tolist()))
    rng = np.random.default_rng(0)
    parts = []
    jobs = [
        (gun, fold_dir)
        for gun, path in crossvals.items()
        for fold_dir in sorted(path.glob("fold-*"))
    ]
    for gun, fold_dir in show_progress(jobs, total=len(jobs), description="networks"):
        embeddings = hear(TorchModel(fold_dir, firearms={}), own)
        folds = _read_folds(own, fold_dir.parent, gun)
        is_test = folds == int(fold_dir.name.removeprefix("fold-"))
        trained = ~is_test & (own.labels != gun)
        space = fit_space(embeddings[trained], own.labels[trained].tolist())
        code = np.searchsorted(names, own.labels)
        parts += [
            _compare(own, (embeddings, space), (code, names.index(gun)), is_test, drawn)
            for drawn in _draw_references(own, gun, is_test, rng)
        ]
    joined = zip(*(vars(part).values() for part in parts), strict=True)
    return Comparisons(*(np.concatenate(each) for each in joined))


def hear(model: TorchModel, own: Labelled) -> Floats:
    """Return the embedding (n, d) of each recording, the mean over its first clips."""
    rows = []
    for row in range(len(own.labels)):
        outputs = [
            run_clips(model, read_recorded_clips(own.pack, row, view)[:MAX_CLIPS])[:2]
            for view in model.metadata.clip_rule.views
        ]
        rows.append(merge_views(outputs)[1].mean(axis=0))
    return np.array(rows, float)


def _read_folds(own: Labelled, crossval: Path, gun: str) -> NDArray[np.int64]:
    """Return the fold of every recording: of known guns by the protocol, else by the pack."""
    manifest = own.pack.manifest
    folds: NDArray[np.int64] = manifest["fold"].to_numpy(str).astype(np.int64)
    known = own.labels != gun
    names = manifest["recording"][known].tolist()
    if (read_protocol(crossval / "protocol.csv").folds_for(names) != folds[known]).any():
        raise ShotprintError(
            f"{crossval} has other folds than the pack; cross-validate with the column fold of "
            "the pack's manifest"
        )
    return folds


def _draw_references(
    own: Labelled, gun: str, is_test: NDArray[np.bool_], rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return places of references: of other sources than the tested ones, and of the same."""
    pools = [np.flatnonzero((own.labels == gun) & part) for part in (~is_test, is_test)]
    return [
        rng.choice(pool, n, replace=False)
        for pool in pools
        for n in N_REFERENCES
        for _ in range(N_DRAWS)
        if len(pool) > n
    ]


def _compare(
    own: Labelled,
    heard: tuple[Floats, ReferenceSpace],
    guns: tuple[NDArray[np.int64], int],
    is_test: NDArray[np.bool_],
    drawn: NDArray[np.int64],
) -> Comparisons:
    """Compare the recordings of a fold with references; see `Comparisons`.

    Where the references are of the fold, only recordings of their own source are compared.
    """
    (embeddings, space), (code, gun) = heard, guns
    same_take = bool(is_test[drawn[0]])
    which = is_test.copy()
    which[drawn] = False
    if same_take:
        which &= np.isin(own.groups, own.groups[drawn[:1]])
        drawn = drawn[own.groups[drawn] == own.groups[drawn[0]]]
    questioned, references = embeddings[which], embeddings[drawn]
    own_nearness = space.point(questioned) @ space.join(references)
    others = (space.point(questioned) @ space.cohort.T).max(axis=1)
    n = int(which.sum())
    return Comparisons(
        space.score(questioned, references),
        np.stack([np.full(n, gun), code[which], np.full(n, len(drawn))], axis=1),
        own.groups[which],
        own_nearness > others,
        np.full(n, same_take),
    )


def _fit(trials: EnrolmentTrials, own: Labelled) -> LikelihoodCalibration:
    fitted, lower, upper = fit_trials(trials)
    replicates = bootstrap_trials(trials, RESAMPLING)
    return LikelihoodCalibration(
        hypothesis="enrolled",
        values={label: label for label in sorted(set(own.labels.tolist()))},
        lower=float(lower),
        upper=float(upper),
        replicates=tuple((float(a), float(b)) for a, b in replicates),
        confidence=RESAMPLING.confidence,
        n_recordings=len(own.labels),
        n_groups=len(set(own.groups.tolist())),
        predictions_sha256=own.pack.content_sha256,
        **dataclasses.asdict(fitted),
    )


def _measure(trials: EnrolmentTrials, found: Comparisons, names: Sequence[str]) -> dict[str, Any]:
    """Return figures of all trials and by number of references, with whole guns left out."""
    llrs = crossfit_trials(trials)
    is_first = found.is_first[~found.same_take]
    by_number = []
    for n in np.unique(llrs.n_references).tolist():
        mine = llrs.n_references == n
        some = llrs.pick(mine)
        shares, is_h1 = some.trials.shares, some.trials.is_h1
        by_number.append(
            {
                "n_references": n,
                **measure_trials(some, RESAMPLING),
                "named_first": float(shares[is_h1] @ is_first[mine][is_h1]),
                "others_named_so": float(shares[~is_h1] @ is_first[mine][~is_h1]),
            }
        )
    by_gun = {
        name: measure(llrs.pick(llrs.enrolled == code).trials)
        for code, name in enumerate(names)
        if (llrs.enrolled == code).any()
    }
    is_h1 = trials.trials.is_h1
    same = found.scores[found.same_take]
    return {
        "all": measure_trials(llrs, RESAMPLING),
        "by_n_references": by_number,
        "by_gun": by_gun,
        "median_scores": {
            "same_take": float(np.median(same)) if len(same) else None,
            "same_gun": float(np.median(trials.trials.values[is_h1])),
            "other_gun": float(np.median(trials.trials.values[~is_h1])),
        },
    }


def read_enrolment(path: str | os.PathLike[str], weights_sha256: str) -> dict[str, Any]:
    """Return the entry ``enrolment`` for an export.

    Raises
    ------
    ShotprintError : it cannot be read, or was made for other weights
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(content["schema"])
        entry, found = dict(content["enrolment"]), str(content["weights_sha256"])
    except OSError as error:
        raise ShotprintError(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise ShotprintError(
            f"{path} is none of shotprint calibrate-enrolment; make one with it"
        ) from None
    if found != weights_sha256:
        raise ShotprintError(
            f"{path} was made for other weights ({found[:12]}…, not {weights_sha256[:12]}…); "
            "calibrate this run"
        )
    return entry
