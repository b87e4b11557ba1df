"""Where model files are computed: on the CPU, or on a GPU that must be there if it is asked for."""

from pathlib import Path

import onnxruntime
import pytest
import torch

from shotprint.backbones.torch_model import TorchModel
from shotprint.errors import ShotprintError
from shotprint.inference import open_session, parse_device
from shotprint.opening import open_detector, open_model
from shotprint.weights import shipped_backbone, shipped_model

HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cpu", ("cpu", 0)), ("auto", ("auto", 0)), ("cuda", ("cuda", 0)), ("cuda:12", ("cuda", 12))],
)
def test_devices(device: str, expected: tuple[str, int]) -> None:
    assert parse_device(device) == expected


@pytest.mark.parametrize("device", ["", "gpu", "cuda:", "cuda:-1", "cuda:1234", "cpu:0", "CUDA"])
def test_no_devices(device: str, tmp_path: Path) -> None:
    for use in (parse_device, lambda name: open_session(shipped_model(), 1, name)):
        with pytest.raises(ShotprintError, match="expected auto, cpu, cuda or cuda:N"):
            use(device)


@pytest.mark.skipif(HAS_CUDA, reason="needs an onnxruntime without CUDA")
@pytest.mark.parametrize("opening", [open_model, open_detector])
def test_cuda_that_is_not_installed_is_refused(opening) -> None:
    with pytest.raises(
        ShotprintError, match=r"^device cuda:1 was asked .* onnxruntime-gpu in place"
    ):
        opening(device="cuda:1")
    assert opening(device="auto") is not None


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_weights_are_refused_on_a_gpu_that_is_not_there() -> None:
    with pytest.raises(ShotprintError, match=r"GPU 2 was asked for, but PyTorch .* finds 0"):
        TorchModel(shipped_backbone(), firearms={}, device="cuda:2")
    assert TorchModel(shipped_backbone(), firearms={}, device="auto").device == "cpu"


@pytest.mark.skipif(not HAS_CUDA, reason="needs an onnxruntime with CUDA")
def test_a_gpu_answers_or_it_is_said_that_it_cannot() -> None:
    if torch.cuda.is_available():
        assert open_session(shipped_model(), 1, "cuda")[1] == "cuda:0"
    else:
        with pytest.raises(ShotprintError, match="cannot use GPU 0"):
            open_session(shipped_model(), 1, "cuda")
        assert open_session(shipped_model(), 1, "auto")[1] == "cpu"
