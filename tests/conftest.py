"""Fixtures that several test files use."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real recordings, weights and golden outputs beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(
            "../shared with real recordings and golden outputs is not beside the repository"
        )
    return SHARED


@pytest.fixture(scope="session")
def toy_model(tmp_path_factory) -> Path:
    """A model file (ONNX) with random weights; its safetensors stands beside it in ``run/``."""
    pytest.importorskip("torch")
    from toy import export_toy

    return export_toy(tmp_path_factory.mktemp("toy"))
