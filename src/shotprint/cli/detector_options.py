"""The detector that commands share."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shotprint.detection import Detector


def open_detector(path: Path | None, threshold: float | None) -> "Detector":
    """Open a detector's file, or the shipped one."""
    from shotprint.detection import Detector, OnnxDetector
    from shotprint.weights import shipped_detector

    return Detector(OnnxDetector(shipped_detector() if path is None else path), threshold)
