"""The head fitted first agrees with scikit-learn's logistic regression."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from shotprint.backbones.network import Head
from shotprint.training.probe import fit_logistic_regression

N, D, CLASSES = 300, 12, 4
L2 = 0.2


def make_embeddings(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    targets = rng.choice(CLASSES, N, p=[0.5, 0.3, 0.15, 0.05])
    centres = rng.normal(0, 1, (CLASSES, D))
    embeddings = (centres[targets] + rng.normal(0, 2, (N, D))) * rng.uniform(0.1, 30, D) + 5
    return torch.from_numpy(embeddings).float(), torch.from_numpy(targets)


def test_head_gives_the_probabilities_of_scikit_learn() -> None:
    embeddings, targets = make_embeddings()
    head = Head(D, CLASSES)
    fit_logistic_regression(head, embeddings, targets, L2)
    x = embeddings.numpy().astype(np.float64)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    # sklearn minimises C · Σ weight · loss + ½‖w‖²; "balanced" weights sum to n.
    peer = LogisticRegression(C=1 / (L2 * N), class_weight="balanced", tol=1e-8, max_iter=2000)
    expected = peer.fit(x, targets.numpy()).predict_proba(x)
    found = head(embeddings).softmax(dim=1).detach().numpy()
    assert np.abs(found - expected).max() < 1e-3


def test_label_without_clips_becomes_improbable() -> None:
    embeddings, targets = make_embeddings()
    head = Head(D, CLASSES + 1)
    fit_logistic_regression(head, embeddings, targets, L2)
    assert float(head(embeddings).softmax(dim=1)[:, CLASSES].max().detach()) < 1e-2


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_answers_do_not_depend_on_the_scale_of_embeddings(scale: float) -> None:
    embeddings, targets = make_embeddings()
    heads = Head(D, CLASSES), Head(D, CLASSES)
    fit_logistic_regression(heads[0], embeddings, targets, L2)
    fit_logistic_regression(heads[1], embeddings * scale, targets, L2)
    first = heads[0](embeddings).softmax(dim=1)
    assert torch.allclose(first, heads[1](embeddings * scale).softmax(dim=1), atol=1e-3)


def test_constant_embedding_is_no_obstacle() -> None:
    embeddings, targets = make_embeddings()
    embeddings[:, 3] = 7.0
    head = Head(D, CLASSES)
    fit_logistic_regression(head, embeddings, targets, L2)
    assert bool(torch.isfinite(head(embeddings)).all())
