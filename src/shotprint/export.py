"""torch → ONNX: one self-contained file, refused unless it gives what torch gives."""

import dataclasses
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

import shotprint
from shotprint.errors import ShotprintError
from shotprint.files import write_beside
from shotprint.recognition.model import (
    EMBEDDING,
    INPUT,
    LOG_PROBABILITIES,
    METADATA_KEY,
    Floats,
    ModelMetadata,
    OnnxModel,
)

OPSET = 17
TOLERANCE = 1e-4
WHOLE_LENGTH_S = 1.0  # of the probes for a model that hears recordings whole


@dataclass(frozen=True)
class Export:
    """A written model; `difference` is the largest one between ONNX Runtime and torch."""

    path: Path
    size_bytes: int
    difference: float


def export_network(
    network: nn.Module, metadata: ModelMetadata, path: str | os.PathLike[str]
) -> Export:
    """Write a network as ONNX: waveform in, log-probabilities and embedding out.

    Batch and length are free, from the model's shortest waveform upwards. The same network and
    metadata give the same bytes.

    Parameters
    ----------
    network : waveform (n, n_samples) → (log-probabilities, embedding), or the embedding alone
        where the metadata have no labels; in evaluation mode, on the CPU

    Raises
    ------
    ShotprintError : ONNX Runtime and torch differ by more than `TOLERANCE`; nothing is written
    """
    if network.training:
        raise ShotprintError("the network is in training mode; call eval() before exporting it")
    software = {"shotprint": shotprint.__version__, "torch": torch.__version__}
    software["onnx"] = onnx.__version__
    metadata = dataclasses.replace(metadata, software={**metadata.software, **software})
    with write_beside(path) as beside:
        _write_graph(network, metadata, beside)
        difference = compare(network, OnnxModel(beside))
        if not difference <= TOLERANCE:
            raise ShotprintError(
                f"ONNX Runtime and torch differ by {difference:.2g}, at most {TOLERANCE:g} is "
                f"allowed: {path} is not written; check the network for NaN, or report this"
            )
        size_bytes = beside.stat().st_size
    return Export(Path(path), size_bytes, difference)


def _write_graph(network: nn.Module, metadata: ModelMetadata, path: Path) -> None:
    """Trace the network on a few clips and add the metadata."""
    outputs = [LOG_PROBABILITIES, EMBEDDING] if metadata.labels else [EMBEDDING]
    probe = torch.from_numpy(make_probes(metadata)[1])
    with warnings.catch_warnings():
        # The older exporter needs no package beside torch and onnx; that it is old, and what it
        # leaves to ONNX Runtime to fold, is no news to a user.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", message="Constant folding")
        torch.onnx.export(
            network,
            (probe,),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=outputs,
            dynamic_axes={INPUT: {0: "n", 1: "n_samples"}, **{name: {0: "n"} for name in outputs}},
        )
    model = onnx.load(path, load_external_data=False)
    model.producer_name, model.producer_version = "shotprint", shotprint.__version__
    onnx.helper.set_model_props(model, {METADATA_KEY: metadata.to_json()})
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


def make_probes(metadata: ModelMetadata) -> list[Floats]:
    """Return waveforms (n, n_samples) of several lengths and batches.

    Each batch holds blasts (a sudden rise that dies away in noise), noise, near silence and
    digital silence; one holds a blast alone.
    """
    rng = np.random.default_rng(0)
    length = round((metadata.clip_rule.length_s or WHOLE_LENGTH_S) * metadata.sample_rate_hz)
    length = max(length, metadata.min_samples)
    shortest = length if metadata.clip_rule.length_s else metadata.min_samples
    probes = []
    for n_samples in (length, shortest, length + 1, length + length // 2 + 321):
        noise = rng.standard_normal(n_samples)
        blast = 1e-3 * noise
        rest = n_samples - n_samples // 8
        decay = np.exp(-np.arange(rest) / (0.03 * metadata.sample_rate_hz))
        blast[-rest:] += noise[-rest:] * decay
        blast *= 0.5 / np.abs(blast).max()
        batch = np.stack([blast, 0.1 * noise, 1e-5 * noise, 0 * noise]).astype(np.float32)
        probes.append(batch)
    return [probes[0][:1], *probes]


def compare(network: nn.Module, model: OnnxModel) -> float:
    """Return the largest difference between the outputs of torch and of ONNX Runtime.

    Of probabilities as it is, of embeddings over the largest magnitude of each; NaN where
    either gives NaN.
    """
    differences = []
    for waveforms in make_probes(model.metadata):
        with torch.inference_mode():
            outputs = network(torch.from_numpy(waveforms))
        log_probabilities, embedding = model.run(waveforms)
        if isinstance(outputs, Tensor):
            expected = outputs.numpy()
        else:
            expected = outputs[1].numpy()
            given = np.exp(outputs[0].numpy())
            differences.append(np.abs(np.exp(log_probabilities) - given).max())
        magnitude = np.maximum(np.abs(expected).max(axis=1, keepdims=True), 1e-12)
        differences.append((np.abs(embedding - expected) / magnitude).max())
    return float(np.max(differences))
