"""Cross-validate under every protocol that a set allows, and put the figures side by side.

``<protocol>/`` is a cross-validation of `crossval` each; ``protocols.json``, ``.csv`` and ``.txt``
hold the table.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

from shotprint.errors import ShotprintError
from shotprint.evaluation import read_predictions
from shotprint.evaluation.protocols import (
    Comparison,
    ProtocolAnswers,
    compare_protocols,
    write_comparison,
)
from shotprint.firearms import read_firearms
from shotprint.packing import open_pack
from shotprint.splits import EACH, Survey, fit_n_folds, survey_protocols
from shotprint.training.crossval import crossval
from shotprint.training.recipe import Recipe


def survey(pack_path: str | os.PathLike[str], recipe: Recipe) -> Survey:
    """Return the protocols that a pack allows, with the folds that a recipe asks for."""
    n_folds = EACH if recipe.leave_one_out else recipe.n_folds
    manifest = open_pack(pack_path).manifest
    return survey_protocols(manifest, n_folds, recipe.seed, purge=recipe.purge)


def crossval_all(
    pack_path: str | os.PathLike[str],
    recipe: Recipe,
    out_dir: str | os.PathLike[str],
    *,
    resume: bool = False,
    **options: Any,
) -> Comparison:
    """Cross-validate under every protocol of `survey` and compare them.

    Parameters
    ----------
    recipe : its `protocol` is not used; `n_folds` counts as in `survey_protocols`
    resume : go on with what was begun, keep what is done
    options : as in `crossval`

    Raises
    ------
    ShotprintError : as `crossval`; the folder holds protocols already and is not to be resumed
    """
    out_dir = Path(out_dir)
    found = survey(pack_path, recipe)
    begun = [name for name in found.protocols if (out_dir / name / "protocol.csv").is_file()]
    if begun and not resume:
        raise ShotprintError(
            f"{out_dir} holds protocols already ({', '.join(begun)}); go on with --resume, or "
            "choose another folder"
        )
    answers = []
    for name, protocol in found.protocols.items():
        is_dealt = fit_n_folds(name, recipe.n_folds) is not None
        own = dataclasses.replace(
            recipe, protocol=name, n_folds=recipe.n_folds if is_dealt else None, test_fold=None
        )
        result = crossval(pack_path, own, out_dir / name, resume=resume, **options)
        predictions = read_predictions(result.out_dir / "predictions.csv")
        answers.append(ProtocolAnswers(protocol, predictions, result.remarks))
    comparison = compare_protocols(answers, found.refused, read_firearms())
    write_comparison(out_dir, comparison)
    return comparison
