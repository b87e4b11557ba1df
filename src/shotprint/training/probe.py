"""The head fitted first, on the backbone as it came: logistic regression on its embeddings.

A head that starts at random sends large, arbitrary gradients into the backbone, which distort
what it knows and with it the answer on recordings unlike those trained on. Fitting the head
before the rest is fine-tuned avoids this: Kumar et al., "Fine-tuning can distort pretrained
features and underperform out-of-distribution", ICLR 2022 (LP-FT).
"""

import torch
from torch import Tensor, nn

from shotprint.backbones.network import Head

MAX_ITERATIONS = 200
MIN_SCALE = 1e-6


def fit_logistic_regression(head: Head, embeddings: Tensor, targets: Tensor, l2: float) -> None:
    """Fit a head, including its mean and scale, to embeddings (n, d) and targets (n,).

    Minimises the cross-entropy, in which every label weighs the same, plus l2/2 · the sum of the
    squared weights of the standardised embedding; the fewer recordings, the more `l2` is needed.
    A label without a clip keeps weights of zero and becomes improbable.
    """
    device = head.weight.device
    x = embeddings.double()
    mean, scale = x.mean(dim=0), x.std(dim=0, correction=0) + MIN_SCALE
    x = (x - mean) / scale
    counts = torch.bincount(targets, minlength=head.out_features).double()
    share = 1 / counts.clamp(min=1)[targets]
    share = share / share.sum()
    weight = torch.zeros(head.out_features, head.in_features, dtype=torch.double)
    bias = torch.zeros(head.out_features, dtype=torch.double)
    parameters = [weight.requires_grad_(), bias.requires_grad_()]
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=MAX_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def evaluate() -> Tensor:
        optimizer.zero_grad()
        losses = nn.functional.cross_entropy(x @ weight.T + bias, targets, reduction="none")
        loss = (share * losses).sum() + 0.5 * l2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(evaluate)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for into, value in (
            (head.weight, weight),
            (head.bias, bias),
            (head.mean, mean),
            (head.scale, scale),
        ):
            into.copy_(value.to(device, into.dtype))
