"""One importer a dataset, all of one contract: `DATASETS` by name."""

import os
from typing import Any

from shotprint.datasets import (
    bgg,
    cadre,
    esc50,
    folder,
    fsd50k,
    kabealo,
    kaggle,
    shotspotter,
    table,
    urbansound8k,
)
from shotprint.datasets.contract import Imported, Importer, Remark, WrongLayoutError, list_folder

__all__ = ["DATASETS", "Imported", "Importer", "Remark", "import_set"]

_MODULES: tuple[Importer, ...] = (
    cadre, kaggle, kabealo, shotspotter, bgg, urbansound8k, fsd50k, esc50, folder, table
)  # fmt: skip
DATASETS: dict[str, Importer] = {module.NAME: module for module in _MODULES}


def import_set(name: str, directory: str | os.PathLike[str], **options: Any) -> Imported:
    """List a set by the importer of a name; a folder of another set is told which it looks like.

    Parameters
    ----------
    options : what the importer's `import_dir` takes

    Raises
    ------
    ShotprintError : what the importer raises
    """
    try:
        return DATASETS[name].import_dir(directory, **options)
    except WrongLayoutError as error:
        likely = _find_likely(directory)
        if likely in ("", name):
            raise
        raise WrongLayoutError(
            f"{error}. It looks like {likely}: shotprint import {likely}"
        ) from None


def _find_likely(directory: str | os.PathLike[str]) -> str:
    """Return the first importer whose set the folder looks like; empty if there is none."""
    listing = list_folder(directory)
    return next((name for name, each in DATASETS.items() if each.matches(listing)), "")
