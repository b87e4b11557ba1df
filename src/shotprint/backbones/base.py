"""What every backbone offers."""

from torch import Tensor, nn

from shotprint.frontends import Frontend


class Backbone(nn.Module):
    """A network from log-mel spectrograms (n, n_mels, n_frames) to embeddings (n, embedding_dim).

    Attributes
    ----------
    frontend : the log-mel spectrogram that it was trained on
    embedding_dim : of the published embedding, `forward`
    description_dim : of what a head looks at, `describe`
    audioset_layer : name of the layer to AudioSet's classes, which no head of ours uses
    """

    frontend: Frontend
    embedding_dim: int
    description_dim: int
    audioset_layer: str

    def describe(self, logmel: Tensor) -> Tensor:
        """Return what a head looks at, (n, description_dim)."""
        raise NotImplementedError

    def forward_audioset(self, logmel: Tensor) -> Tensor:
        """Return the logits (n, 527) of AudioSet's classes; sigmoid gives probabilities."""
        raise NotImplementedError

    def remove_audioset_layer(self) -> None:
        """Take away the layer to AudioSet's classes, if it is there."""
        parent, _, name = self.audioset_layer.rpartition(".")
        owner = self.get_submodule(parent)
        if hasattr(owner, name):
            delattr(owner, name)
