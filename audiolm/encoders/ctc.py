"""A layer of the recogniser that recipes train, by the interface of encoders."""

from torch import Tensor

from audiolm.encoders.protocol import Encoder, Layer, check_layer


class RecognizerEncoder(Encoder):
    """Output of one of a recogniser's blocks, or the mean over them, 25 frames a second.

    Args:
        model: an `audiolm.recognizer.model.Recognizer`.
        layer: 1 … its number of blocks, or mean.
        name: of the model, for messages.
    """

    def __init__(self, model, layer: Layer, name: str):
        super().__init__()
        check_layer(layer, 1, model.config.layers, name)
        self.model, self.layer = model, layer
        self.sample_rate, self.hop, self.dim = model.sample_rate, model.frame_size, model.config.dim

    def encode(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            lengths = wav.new_full((len(wav),), wav.shape[-1]).long()
        return self.model.hidden(wav, lengths, self.layer)
