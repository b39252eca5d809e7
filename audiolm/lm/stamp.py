"""Weights that know which tokenizer or codec their tokens come from."""

from hashlib import sha256

import torch
from torch import nn

from audiolm.errors import AudiolmError


class Stamp(nn.Module):
    """A digest of a token source, kept with the weights; zeros = not known yet.

    Ids of another tokenizer or codec have the same range and another meaning, which no shape betrays.
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("digest", torch.zeros(8, dtype=torch.uint8))

    def claim(self, source: str, what: str) -> None:
        """Set the digest to that of ``source`` (a checksum, see token archives), or check that it is the same.

        Args:
            what: ``codec`` or ``tokenizer``, for the message.

        Raises:
            AudiolmError: the weights were trained on tokens of another source.
        """
        digest = torch.tensor(list(sha256(source.encode()).digest()[:8]), dtype=torch.uint8)
        if not self.digest.any():
            self.digest.copy_(digest)
        elif not torch.equal(self.digest.cpu(), digest):
            raise AudiolmError(
                f"these weights were trained on tokens of another {what} than {source}; "
                f"use the {what} they were trained with, or train on the tokens of this one from the start"
            )
