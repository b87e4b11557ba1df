"""From the folders of a run and a cross-validation to a calibration."""

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import shotprint
from shotprint.backbones.torch_model import TorchModel
from shotprint.files import write_text
from shotprint.firearms import Firearm
from shotprint.packing import open_pack
from shotprint.progress import show_progress
from shotprint.recognition.predictions import write_predictions
from shotprint.splits import read_protocol
from shotprint.training.calibrating.composing import (
    compose_cases,
    fit_gun_correlation,
    measure_guns,
)
from shotprint.training.calibrating.evidence import fit_evidence
from shotprint.training.calibrating.gunshots import fit_judgement, measure_rejection, measure_usual
from shotprint.training.calibrating.output import SCHEMA
from shotprint.training.calibrating.probabilities import fit_probabilities
from shotprint.training.calibrating.sets import (
    Heard,
    Sources,
    code_truth,
    hear_both,
    read_folds,
    read_other,
    read_set,
    require_same,
    take_out_of_fold,
)
from shotprint.training.scoring import list_predictions


def calibrate(
    sources: Sources, path: str | os.PathLike[str], firearms: Mapping[str, Firearm]
) -> dict[str, Any]:
    """Fit and measure; write what ``shotprint export --calibration`` takes, and predictions.

    Beside `path` stands ``<stem>.predictions.csv``: the out-of-fold predictions, calibrated
    without their own fold, for ``shotprint evaluate``.

    Returns
    -------
    what was written

    Raises
    ------
    ShotprintError
        The cross-validation is not finished, or of another pack; the network knows other labels.
    """
    path, model = Path(path), TorchModel(sources.run, firearms=firearms)
    pack = open_pack(sources.pack)
    folds = read_folds(sources, pack)
    rule = model.metadata.clip_rule
    own = read_set(pack, rule, folds, is_shot=True)
    sets = [own]
    sets += [read_other(open_pack(name), rule, is_shot=True) for name in sources.shots]
    sets += [read_other(open_pack(name), rule, is_shot=False) for name in sources.others]
    heard: dict[int, list[tuple[Heard, Heard]]] = {}
    for fold in _show_folds(folds):
        network = TorchModel(sources.crossval / f"fold-{fold}", firearms=firearms)
        require_same(network, model, sources)
        heard[fold] = [hear_both(network, each, fold) for each in sets]
    truth = code_truth(pack, model)
    out_of_fold = take_out_of_fold(own, heard)
    fitted = fit_probabilities(out_of_fold, truth, own, model, firearms)
    cases = compose_cases(fitted.shots, truth, own)
    content = {
        "schema": SCHEMA,
        "shotprint": shotprint.__version__,
        "weights_sha256": model.sha256,
        "pack_content_sha256": pack.content_sha256,
        "protocol_sha256": read_protocol(sources.crossval / "protocol.csv").sha256,
        "calibration": {**fitted.calibration, "gun_correlation": fit_gun_correlation(cases)},
    }
    figures = {**fitted.figures, "guns": measure_guns(cases)}
    if sources.others:
        crossed = {fold: fit_judgement(sets, heard[fold], fold) for fold in heard}
        judgement = dataclasses.replace(
            fit_judgement(sets, [hear_both(model, each) for each in sets], None),
            known_at=fitted.known_at,
            ranges=measure_usual(own, heard, crossed),
        )
        content["judgement"] = judgement.to_mapping()
        figures = {**figures, "gunshots": measure_rejection(sets, heard, crossed)}
    labels = model.metadata.label_names
    rows = list_predictions(pack.manifest.assign(fold=folds.astype(str)), labels, fitted.crossed)
    predictions = path.with_suffix(".predictions.csv")
    write_predictions(predictions, rows, labels)
    content["evidence"], ratios = fit_evidence(predictions, firearms)
    content["figures"] = {**figures, "likelihood_ratios": ratios}
    write_text(path, json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    return content


def _show_folds(folds: NDArray[np.int64]) -> Iterator[int]:
    distinct = sorted(set(folds.tolist()))
    yield from show_progress(distinct, total=len(distinct), description="folds")
