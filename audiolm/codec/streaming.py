"""Codecs on live sound: frame by frame, many sequences side by side, with state of fixed size."""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from audiolm.codec.prepared import Prepared
from audiolm.errors import AudiolmError
from audiolm.nn.graphs import Stepper
from audiolm.nn.steps import Chain


class CodecStream:
    """Codes and sound of ``batch`` sequences, some frames at a time; as if each were encoded and decoded whole.

    Made by :meth:`audiolm.codec.model.Codec.streaming`. Encoding and decoding have states of their own, so that one
    stream can serve both directions of a conversation:

    >>> stream = codec.streaming(batch=2)                         # doctest: +SKIP
    >>> for samples in microphone:                                # [2, 1, frame_size]  # doctest: +SKIP
    ...     codes = stream.encode(samples)                        # [2, n_q, 1]
    ...     loudspeaker.write(stream.decode(answer(codes)))       # [2, 1, frame_size]
    >>> stream.reset([1])                                         # slot 1 goes to the next caller  # doctest: +SKIP

    A slot can pause while others go on: ``stream.encode(samples, active=torch.tensor([True, False]))`` leaves slot 1
    as it was; what comes out for it means nothing. State is allocated with the first frame and stays where it is.

    Args:
        form: the codec's inference form.
        batch: slots.
        max_frames: the most frames of one call.
        graphs: on a CUDA device: record the work of a call of each number of frames once as a CUDA graph and replay it.
    """

    def __init__(self, form: Prepared, batch: int, max_frames: int = 1, graphs: bool = False):
        self.form, self.batch, self.max_frames, self.graphs = form, batch, max_frames, graphs
        if graphs and form.device.type != "cuda":
            raise AudiolmError(f"graphs is true and the codec on {form.device}: CUDA graphs need a CUDA device")

    @torch.inference_mode()
    def encode(self, wav: Tensor, active: Tensor | None = None) -> Tensor:
        """The next samples [B, 1, n * frame_size] of each slot -> codes int64 [B, n_q, n].

        Args:
            wav: n at least 1 and at most ``max_frames``.
            active: bool [B], slots that go on; None: all.

        Raises:
            AudiolmError: the shape is another.
        """
        frame = self.form.codec.frame_size
        frames, rest = divmod(wav.shape[-1], frame)
        if wav.ndim != 3 or wav.shape[:2] != (self.batch, 1) or rest or not 1 <= frames <= self.max_frames:
            raise AudiolmError(
                f"samples of shape {list(wav.shape)}, expected [{self.batch}, 1, n * {frame}] with n = 1 … "
                f"{self.max_frames}: give whole frames, or a stream of another batch and max_frames"
            )
        return self._encoding(wav, active)

    @torch.inference_mode()
    def decode(self, codes: Tensor, active: Tensor | None = None) -> Tensor:
        """The next codes [B, K, n] of each slot, first K <= n_q levels -> samples [B, 1, n * frame_size].

        Arguments and errors as of :meth:`encode`; codes beyond the codebook's size are an error of torch.
        """
        codec = self.form.codec
        batch, levels, frames = codes.shape if codes.ndim == 3 else (0, 0, 0)
        if batch != self.batch or not 1 <= levels <= codec.n_q or not 1 <= frames <= self.max_frames:
            raise AudiolmError(
                f"codes of shape {list(codes.shape)}, expected [{self.batch}, K, n] with K = 1 … {codec.n_q} and n = "
                f"1 … {self.max_frames}: give the codec's own codes, or a stream of another batch and max_frames"
            )
        return self._decoding(codes, active)

    @torch.inference_mode()
    def reset(self, slots: Sequence[int] | Tensor | None = None) -> None:
        """Begin new sequences in ``slots`` (indices; None = all), in both directions."""
        for name in ("_encoding", "_decoding"):
            if name in self.__dict__:  # else nothing has gone that way yet
                getattr(self, name).slots.reset(slots)

    @cached_property
    def _encoding(self) -> Stepper:
        form, slots = self.form, self.form.slots(self.batch, self.max_frames)
        run = Chain([form.encoder, form.encoder_transformer, form.downsample]).open(slots)
        return Stepper(slots, lambda wav: form.to_codes(run(wav.transpose(1, 2).to(form.dtype))), self.graphs)

    @cached_property
    def _decoding(self) -> Stepper:
        form, slots = self.form, self.form.slots(self.batch, self.max_frames)
        run = Chain([form.upsample, form.decoder_transformer, form.decoder]).open(slots)
        return Stepper(slots, lambda codes: run(form.from_codes(codes)).transpose(1, 2).float(), self.graphs)
