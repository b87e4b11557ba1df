"""One importer a dataset, all of one contract: `DATASETS` by name."""

from shotprint.datasets import cadre, folder
from shotprint.datasets.contract import Imported, Importer, Remark

__all__ = ["DATASETS", "Imported", "Importer", "Remark"]

DATASETS: dict[str, Importer] = {module.NAME: module for module in (folder, cadre)}
