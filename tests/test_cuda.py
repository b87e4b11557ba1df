"""On a GPU: the same shots and answers as on the CPU, and training that goes on where it stopped.

Skipped where PyTorch or ONNX Runtime finds none, as in CI; run by hand where one is lent.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from shotprint.backbones.checkpoints import load_network
from shotprint.backbones.torch_model import TorchModel
from shotprint.errors import ShotprintError
from shotprint.inference import import_runtime
from shotprint.opening import Setup, open_recognizer
from shotprint.packing import pack
from shotprint.recognition import RecognitionSettings
from shotprint.training.fit import fit
from shotprint.training.recipe import load_recipe
from toy import make_shot, write_shots
from training_sets import SETTINGS, SMALL, make_set

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU with CUDA")
needs_onnx_on_gpu = pytest.mark.skipif(
    "CUDAExecutionProvider" not in onnxruntime.get_available_providers(),
    reason="needs onnxruntime-gpu",
)
ON_GPU = {
    **SMALL,
    **{"accelerator": "cuda", "epochs": 8, "clips_per_recording": 4},
    **{"test_fold": 0, "protocol": "manifest"},
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    pack(make_set(folder), folder / "set.h5", SETTINGS)
    return folder / "set.h5"


def recognize(paths: list[Path], device: str) -> list[Any]:
    recognizer = open_recognizer(Setup(RecognitionSettings(jobs=2), device=device))
    return [recognizer.recognize_file(path) for path in paths]


@needs_onnx_on_gpu
def test_the_shipped_model_answers_as_on_the_cpu(tmp_path: Path) -> None:
    paths = write_shots(tmp_path, 6)
    for on_cpu, on_gpu in zip(recognize(paths, "cpu"), recognize(paths, "cuda"), strict=True):
        assert on_gpu.error is None
        assert [shot.onset_s for shot in on_gpu.shots] == [shot.onset_s for shot in on_cpu.shots]
        assert on_gpu.decision == on_cpu.decision or on_gpu.decision.level == on_cpu.decision.level
        known = {each.label: each.probability for each in on_cpu.candidates}
        for each in on_gpu.candidates:
            assert each.probability == pytest.approx(known[each.label], abs=5e-3)


@needs_onnx_on_gpu
def test_the_result_says_which_gpu_answered(tmp_path: Path) -> None:
    recognizer = open_recognizer(Setup(RecognitionSettings(), device="auto"))
    results = recognizer.collect([recognizer.recognize_file(*write_shots(tmp_path, 1))])
    assert results.settings["device"] == "cuda:0"


@needs_onnx_on_gpu
def test_a_gpu_that_is_not_there_is_refused() -> None:
    assert import_runtime() is onnxruntime
    with pytest.raises(ShotprintError, match="cannot use GPU 99"):
        open_recognizer(Setup(RecognitionSettings(), device="cuda:99"))


def test_weights_in_pytorch_answer_as_on_the_cpu(toy_model: Path) -> None:
    run = toy_model.parent / "run"
    clips = np.stack([make_shot(seed, 1.0, 32000) for seed in range(4)])
    on_cpu, on_gpu = (TorchModel(run, device=device, firearms={}) for device in ("cpu", "cuda"))
    assert on_gpu.device == "cuda:0"
    for expected, found in zip(on_cpu.run(clips), on_gpu.run(clips), strict=True):
        assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()  # TF32 in between


def test_training_learns_and_goes_on_where_it_was_stopped(packed: Path, tmp_path: Path) -> None:
    whole = fit(packed, load_recipe(None, ON_GPU), tmp_path / "whole")
    assert whole is not None
    assert whole.metrics["test_accuracy"] >= 0.5
    stopped = load_recipe(None, {**ON_GPU, "max_steps": 3 * 9 + 4})
    fit(packed, stopped, tmp_path / "parts")
    done = fit(packed, load_recipe(None, ON_GPU), tmp_path / "parts", resume=True)
    assert done is not None
    assert done.metrics["epochs"] == ON_GPU["epochs"]
    assert done.metrics["loss"] == pytest.approx(whole.metrics["loss"], rel=0.3)
    for name in ("whole", "parts"):
        said = json.loads((tmp_path / name / "run.json").read_text(encoding="utf-8"))
        assert said["metrics"]["test_accuracy"] >= 0.5
        network = load_network(tmp_path / name / "model.safetensors", "efficientat_mn04")
        assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def test_the_head_is_fitted_on_a_gpu_as_on_the_cpu(packed: Path, tmp_path: Path) -> None:
    entries = {**SMALL, "weights": "shipped", "probe_l2": 0.2, "epochs": 0, "test_fold": 0}
    heads = []
    for accelerator in ("cpu", "cuda"):
        out_dir = tmp_path / accelerator
        fit(packed, load_recipe(None, {**entries, "accelerator": accelerator}), out_dir)
        network = load_network(out_dir / "model.safetensors", "efficientat_mn04")
        heads.append(network.head.weight.detach())
    assert torch.allclose(heads[0], heads[1], atol=0.05 * float(heads[0].abs().max()))


def test_more_gpus_than_there_are_are_refused(packed: Path, tmp_path: Path) -> None:
    recipe = load_recipe(None, {**ON_GPU, "devices": 64, "batch_size": 64})
    with pytest.raises(ShotprintError, match="GPUs with CUDA, 64 were asked for"):
        fit(packed, recipe, tmp_path / "run")
