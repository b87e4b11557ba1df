"""Smaller model files: they open, say what they are, and mostly say the same."""

import numpy as np
import pytest

pytest.importorskip("onnx")

from shotprint.audio import find_recordings, write_wav
from shotprint.detection import Detector, OnnxDetector, find_shots
from shotprint.errors import ShotprintError
from shotprint.files import compute_sha256
from shotprint.inference import Precision
from shotprint.quantization import quantize
from shotprint.recognition import OnnxModel, Recognizer
from shotprint.simulation.cadre import POSITIONS, Settings, simulate_set
from shotprint.weights import shipped_detector, shipped_model
from test_cli_recognize import run


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Simulated shots, and a recording that cannot be read."""
    folder = tmp_path_factory.mktemp("sounds")
    simulate_set(
        folder / "set", Settings(guns=("Glock45", "M16"), shots=1, positions=tuple(POSITIONS)[:6])
    )
    (folder / "set" / "broken.wav").write_bytes(b"RIFF")
    return find_recordings([folder / "set"])


@pytest.mark.parametrize(
    ("precision", "share", "agreement"),
    [(Precision.FLOAT16, 0.7, 0.97), (Precision.INT8, 0.6, 0.5)],
)
def test_a_smaller_recogniser(tmp_path, recordings, precision, share, agreement):
    path = shipped_model()
    out = tmp_path / "small.onnx"
    done = quantize(path, out, recordings, precision)
    assert done.size_bytes == out.stat().st_size < share * path.stat().st_size
    assert agreement <= done.agreement <= 1
    assert done.n_clips > 20
    assert len(done.failed) == 1
    assert "broken.wav" in done.failed[0]
    full, small = OnnxModel(path), OnnxModel(out)
    assert small.metadata.weights["precision"] == precision.value
    assert small.metadata.weights["made_from_sha256"] == compute_sha256(path)
    assert small.metadata.labels == full.metadata.labels
    assert small.metadata.evidence == full.metadata.evidence
    clip = np.random.default_rng(0).normal(0, 0.1, (1, 32000)).astype(np.float32)
    difference = np.abs(np.exp(small.run(clip)[0]) - np.exp(full.run(clip)[0])).max()
    assert 0 < difference < (0.01 if precision is Precision.FLOAT16 else 0.5)
    good = next(each for each in recordings if "broken" not in each.name)
    assert Recognizer(small).recognize_file(good.path).label in full.metadata.label_names
    with pytest.raises(ShotprintError, match=f"is of {precision.value} already"):
        quantize(out, tmp_path / "again.onnx", recordings, precision)


def test_a_detector_in_bytes_finds_the_shots(tmp_path, recordings):
    out = tmp_path / "small.onnx"
    done = quantize(shipped_detector(), out, recordings, Precision.INT8)
    assert 0.8 <= done.agreement <= 1
    full, small = Detector(OnnxDetector(shipped_detector())), Detector(OnnxDetector(out))
    assert small.model.metadata.weights["precision"] == "int8"
    assert small.threshold == full.threshold
    good = [each for each in recordings if "broken" not in each.name]
    found = [
        [shot.onset_s for each in good for shot in find_shots(each.path, detector)[0]]
        for detector in (full, small)
    ]
    assert len(found[0]) > 10
    assert len(found[1]) == pytest.approx(len(found[0]), rel=0.2)


def test_what_cannot_be_made_smaller(tmp_path, recordings):
    with pytest.raises(ShotprintError, match="half precision already"):
        quantize(shipped_detector(), tmp_path / "a.onnx", recordings, Precision.FLOAT16)
    write_wav(tmp_path / "one.wav", np.full((1, 8000), 0.1, np.float32), 8000)
    with pytest.raises(ShotprintError, match=r"hold 2 clips; expected 20"):
        quantize(
            shipped_model(),
            tmp_path / "a.onnx",
            find_recordings([tmp_path / "one.wav"]),
            Precision.INT8,
        )
    assert not (tmp_path / "a.onnx").exists()
    (tmp_path / "none.onnx").write_bytes(b"no model")
    with pytest.raises(ShotprintError, match="cannot be opened as an ONNX model"):
        quantize(tmp_path / "none.onnx", tmp_path / "a.onnx", recordings, Precision.INT8)


def test_the_command_says_what_it_wrote_and_what_it_did_not_hear(tmp_path, recordings):
    out = tmp_path / "small.onnx"
    common = ("quantize", shipped_model(), *(each.path for each in recordings), "-o")
    result = run(*common, out, expect=1)
    assert "broken.wav" in result.stderr
    sizes_mb = [f"{path.stat().st_size / 1e6:.2f}" for path in (out, shipped_model())]
    assert result.stdout.startswith(f"{out}: {sizes_mb[0]} MB (before: {sizes_mb[1]}); ")
    assert OnnxModel(out).metadata.weights["precision"] == "float16"
    with pytest.raises(ShotprintError, match=r"ends with \.onnx"):
        run(*common, tmp_path / "small.bin")
