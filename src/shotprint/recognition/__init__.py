"""Recordings in, named guns out: ONNX Runtime, no torch.

`listening` cuts the clips that a model hears, `model` says what a model is, `recognizer` makes
one answer a recording, `results` and `predictions` write the answers.
"""

from shotprint.recognition.model import Model, ModelMetadata, OnnxModel
from shotprint.recognition.recognizer import RecognitionSettings, Recognizer
from shotprint.recognition.results import RecordingResult, Results, Score

__all__ = [
    "Model",
    "ModelMetadata",
    "OnnxModel",
    "RecognitionSettings",
    "Recognizer",
    "RecordingResult",
    "Results",
    "Score",
]
