"""Features without weights by the interface of encoders: log-mel bands, and mel-frequency cepstral coefficients."""

from torch import Tensor

from audiolm.encoders.logmel import LogMel
from audiolm.encoders.protocol import Encoder, before

MELS = 80
CEPSTRA = 13


class LogMelEncoder(Encoder):
    """Log-mel frames at 100 Hz of `LogMel`: zero in silence.

    Args:
        sample_rate: Hz, a multiple of 100.
        n_mels: number of bands.
    """

    def __init__(self, sample_rate: int, n_mels: int = MELS):
        super().__init__()
        self.logmel = LogMel(sample_rate, n_mels)
        self.sample_rate, self.hop, self.dim = sample_rate, self.logmel.hop, n_mels

    def encode(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        return self.logmel(wav)


class MfccEncoder(LogMelEncoder):
    """The first cepstral coefficients of log-mel frames, with deltas and deltas of these, as HuBERT's first units.

    Hsu et al. 2021, section 4.2 (39 numbers). Beyond both ends, deltas see the zeros of silence.

    Args:
        sample_rate: Hz, a multiple of 100.
        n_mels: number of bands.
        cepstra: number of coefficients, the zeroth among them.
    """

    def __init__(self, sample_rate: int, n_mels: int = MELS, cepstra: int = CEPSTRA):
        super().__init__(sample_rate, n_mels)
        from torchaudio.functional import create_dct

        self.dim = 3 * cepstra
        self.register_buffer("dct", create_dct(cepstra, n_mels, "ortho"), persistent=False)  # [n_mels, cepstra]

    def encode(self, wav: Tensor, lengths: Tensor | None) -> Tensor:
        import torch
        from torchaudio.functional import compute_deltas

        parts = [self._valid(self.logmel(wav) @ self.dct, lengths)]
        for _ in range(2):
            deltas = compute_deltas(parts[-1].transpose(1, 2), mode="constant").transpose(1, 2)
            parts.append(self._valid(deltas, lengths))
        return torch.cat(parts, -1)

    def _valid(self, frames: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            return frames
        return frames.masked_fill(~before(self.num_frames(lengths), frames.shape[1])[..., None], 0)
