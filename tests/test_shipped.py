"""The shipped model is what its card and its list of hashes say."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from shotprint.audio import find_recordings
from shotprint.clips import cut_clips, normalize_level
from shotprint.files import compute_sha256
from shotprint.recognition import OnnxModel, Recognizer
from shotprint.weights import shipped_backbone, shipped_model
from toy import write_bursts

SHIPPED = Path(str(files("shotprint") / "shipped"))
GUNS = ("AK-12", "AK-47", "IMI Desert Eagle", "M16", "M249", "MG-42", "MP5", "Zastava M92")


@pytest.fixture(scope="module")
def model() -> OnnxModel:
    return OnnxModel(shipped_model())


def test_hashes_and_sizes_are_those_listed() -> None:
    listed = tomllib.loads((SHIPPED / "shipped.toml").read_text(encoding="utf-8"))
    assert set(listed) == {"model", "detector", "backbone"}
    for entry in listed.values():
        path = SHIPPED / entry["filename"]
        assert compute_sha256(path) == entry["sha256"]
        assert path.stat().st_size == entry["size_bytes"] <= 8_000_000


def test_model_states_what_makes_a_result_repeatable(model: OnnxModel) -> None:
    metadata = model.metadata
    assert metadata.label_names == GUNS
    assert all(gun.calibre and gun.category for gun in metadata.labels)
    assert metadata.sample_rate_hz == 32000
    assert metadata.recipe["backbone"] == "efficientat_mn04"
    assert metadata.data["pack"]["n_recordings"] == 599
    assert len(metadata.data["trained_on"]) == 599
    assert metadata.weights["sha256"] == compute_sha256(shipped_backbone())
    assert "M4" in metadata.limits
    assert "MIT" in metadata.licences["model"]


def test_model_and_weights_give_the_same_answers(model: OnnxModel) -> None:
    torch = pytest.importorskip("torch")
    from shotprint.backbones.checkpoints import load_network

    network = load_network(shipped_backbone())
    clips = np.random.default_rng(0).normal(0, 0.1, (3, 40000)).astype(np.float32)
    with torch.inference_mode():
        expected = network(torch.from_numpy(clips))[0].numpy()
    assert np.abs(np.exp(model.run(clips)[0]) - np.exp(expected)).max() < 1e-4


def test_clips_it_was_trained_on_are_recognised(model: OnnxModel, shared: Path) -> None:
    """No measure of quality, but a wrong front-end, label order or clip rule would show."""
    guns9 = shared / "data" / "guns9"
    paths = [path for gun in GUNS for path in sorted((guns9 / gun).glob("*.flac"))[::8]]
    n_correct = 0
    for result in Recognizer(model).recognize(find_recordings(paths)):
        n_correct += result.label == Path(result.path).parent.name
        assert any("trained on" in warning for warning in result.warnings)
    assert n_correct / len(paths) > 0.9


def test_published_wav_and_our_flac_of_it_agree(model: OnnxModel, shared: Path) -> None:
    """A stereo WAV as published and the mono FLAC made of it: the same gun."""
    for wav in sorted((shared / "data" / "guns9-original-wav").glob("*/*.wav")):
        if wav.parent.name == "M4":
            continue
        flac = shared / "data" / "guns9" / wav.parent.name / f"{wav.stem}.flac"
        answers = Recognizer(model).recognize(find_recordings([wav, flac]))
        first, second = (result.probability for result in answers)
        assert first == pytest.approx(second, abs=0.02)


def test_clip_rule_of_the_model_cuts_seconds(model: OnnxModel) -> None:
    waveform = np.random.default_rng(1).normal(0, 0.1, 96000).astype(np.float32)
    clips = normalize_level(cut_clips(waveform, 32000, model.metadata.clip_rule).waveforms)
    assert clips.shape[1] == 32000
    assert model.run(clips)[0].shape == (len(clips), len(GUNS))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_long_recording_is_recognised_in_150_mb(tmp_path: Path) -> None:
    """On one core; 141 MB in November 2026, of which 11 are pydantic, which typer 0.29 loads."""
    path = write_bursts(tmp_path / "long.wav", np.arange(0.5, 80, 1.3).tolist(), duration_s=80)
    code = """if True:
        import sys
        from shotprint.cli import main
        try:
            main()
        finally:
            print(open("/proc/self/status").read(), file=sys.stderr)
    """
    command = [
        sys.executable,
        "-c",
        code,
        "recognize",
        str(path),
        "--jobs",
        "1",
        "--format",
        "json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (result,) = json.loads(done.stdout)["recordings"]
    assert len(result["shots"]) > 50
    found = re.search(r"VmHWM:\s*(\d+) kB", done.stderr)
    assert found is not None
    assert int(found[1]) * 1024 <= 150e6
