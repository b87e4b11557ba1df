"""Training of the network that finds shots: torch.

`network` is the network, `sets` reads recordings and what is known of their shots, `excerpts`
mixes what it hears in training, `fit` trains, `crossval` scores every held-out part.
"""
