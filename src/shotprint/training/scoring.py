"""What a network answers for the recordings of a pack, by the rule of recognition."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shotprint.backbones.network import Network
from shotprint.clips import ClipRule
from shotprint.packing import Pack
from shotprint.recognition.predictions import Prediction, read_row
from shotprint.recognition.shots import average
from shotprint.training.dataset import read_scoring_clips

if TYPE_CHECKING:
    from pandas import DataFrame

CLIPS_AT_ONCE = 32
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@torch.no_grad()
def compute_probabilities(
    network: Network, pack: Pack, rows: Ints, rule: ClipRule, min_samples: int = 0
) -> Floats:
    """Return the probabilities of the labels for recordings, (n_rows, n_labels).

    Each is the mean of the log-probabilities of the recording's clips, normalised again. The
    network is left in evaluation mode.

    Parameters
    ----------
    min_samples : shorter clips are filled up with zeros; see `BackboneSpec.min_samples`
    """
    network.eval()
    device = network.head.weight.device
    heard: list[list[Floats]] = []  # of each length of clips, of each recording
    for view in rule.views:
        heard.append([])
        for clips, counts in _gather(pack, rows, view, min_samples):
            log_probabilities = network(clips.to(device))[0].float().cpu().numpy()
            heard[-1] += np.split(log_probabilities, np.cumsum(counts)[:-1])
    results = [average(np.concatenate(parts), {}) for parts in zip(*heard, strict=True)]
    return np.stack(results) if results else np.zeros((0, len(network.labels)))


@torch.no_grad()
def compute_embeddings(
    network: Network, pack: Pack, rows: Ints, rule: ClipRule, min_samples: int = 0
) -> tuple[Tensor, Tensor]:
    """Return the embeddings of the clips that recognition would cut, and whose they are.

    Returns
    -------
    (n_clips, d) float32, and (n_clips,) the place in `rows` of each clip's recording
    """
    network.eval()
    device = network.head.weight.device
    embeddings: list[Tensor] = []
    owners: list[Tensor] = []
    for view in rule.views:
        counts: list[int] = []
        for clips, counts_here in _gather(pack, rows, view, min_samples):
            embeddings.append(network(clips.to(device))[1].float().cpu())
            counts += counts_here
        owners.append(torch.arange(len(rows)).repeat_interleave(torch.tensor(counts)))
    return torch.cat(embeddings), torch.cat(owners)


def _gather(
    pack: Pack, rows: Ints, rule: ClipRule, min_samples: int
) -> Iterator[tuple[Tensor, list[int]]]:
    """Yield clips of several recordings together, and how many belong to each."""
    held: list[NDArray[np.float32]] = []
    for row in rows.tolist():
        clips = read_scoring_clips(pack, row, rule)
        clips = np.pad(clips, ((0, 0), (0, max(0, min_samples - clips.shape[1]))))
        is_full = sum(map(len, held)) + len(clips) > CLIPS_AT_ONCE
        if held and (is_full or clips.shape[1] != held[0].shape[1]):
            yield torch.from_numpy(np.concatenate(held)), [len(each) for each in held]
            held = []
        held.append(clips)
    if held:
        yield torch.from_numpy(np.concatenate(held)), [len(each) for each in held]


def count_correct(probabilities: Floats, truth: Ints) -> int:
    """Return for how many recordings the most probable label is the true one."""
    return int((probabilities.argmax(axis=1) == truth).sum())


def list_predictions(
    rows: "DataFrame", labels: Sequence[str], probabilities: Floats
) -> list[Prediction]:
    """Return the rows of the CSV of predictions.

    Parameters
    ----------
    rows : of the manifest, one a recording
    probabilities : (n_recordings, n_labels)
    """
    predictions = []
    for values, row in zip(rows.to_dict("records"), probabilities.tolist(), strict=True):
        known, answer = read_row(values), dict(zip(labels, row, strict=True))
        predictions.append(
            Prediction(values["recording"], answer, known.label, known.group, known.columns)
        )
    return predictions
