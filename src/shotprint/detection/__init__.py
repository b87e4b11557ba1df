"""Finding shots: when did each begin, in recordings of any length; ONNX Runtime, no torch.

A recording is read in sections (`sections`), a network gives the log-odds of a shot every 4 ms
(`model`), maxima become moments (`picking`), each shot is measured (`shots`); `detector` puts
these together.
"""

from shotprint.detection.detector import (
    Detector,
    Heard,
    Listening,
    Reading,
    describe_heard,
    find_shots,
    open_blocks,
)
from shotprint.detection.model import DetectorMetadata, DetectorModel, OnnxDetector
from shotprint.detection.sections import Section, cut_sections
from shotprint.detection.shots import (
    Burst,
    DetectedShot,
    append_shots,
    find_bursts,
    measure_shot,
)

__all__ = [
    "Burst",
    "DetectedShot",
    "Detector",
    "DetectorMetadata",
    "DetectorModel",
    "Heard",
    "Listening",
    "OnnxDetector",
    "Reading",
    "Section",
    "append_shots",
    "cut_sections",
    "describe_heard",
    "find_bursts",
    "find_shots",
    "measure_shot",
    "open_blocks",
]
