"""Forced alignment with a CTC recogniser: the best path through its posteriors that spells the transcript.

Posteriors of a whole batch are computed at once; the path is torchaudio's ``forced_align`` (Pratap et al. 2024,
"Scaling speech technology to 1,000+ languages", section 3.1.2). Works for every language that the recogniser was
trained on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audiolm.annotate.timed import Failure, TimedWord, Utterance
from audiolm.data.audio import resample
from audiolm.errors import AudiolmError
from audiolm.text.normalize import normalize

if TYPE_CHECKING:
    from audiolm.recognizer.model import Recognizer

BLANK = 0
JOINED = 0.12  # seconds between the symbols of two words that no pause parts


class CtcAligner:
    """Alignment with the recogniser that a recipe trains (or any of its interface)."""

    def __init__(self, recognizer: "Recognizer", name: str = "CTC recogniser, forced alignment", batch: int = 16):
        self.recognizer, self.name, self.batch = recognizer, name, batch
        self.fs = recognizer.sample_rate

    @classmethod
    def load(cls, exp_dir: Path) -> "CtcAligner":
        """From the experiment directory of ``audiolm train --system recognizer``; on a GPU if there is one."""
        import torch

        from audiolm.recognizer.load import load_recognizer

        return cls(load_recognizer(exp_dir, "cuda" if torch.cuda.is_available() else "cpu"), f"CTC of {exp_dir}")

    @classmethod
    def pretrained(cls, model: str, device: str = "cpu") -> "CtcAligner":
        """With a pretrained model's posteriors; ``model`` as in annotate/wav2vec2.py."""
        from audiolm.annotate.wav2vec2 import load_posteriors

        return cls(load_posteriors(model, device), f"{model}, CTC forced alignment")

    def align(self, utterances: Sequence[Utterance]) -> list[list[TimedWord] | Failure]:
        results: list[list[TimedWord] | Failure] = [Failure("not aligned")] * len(utterances)
        order = sorted(range(len(utterances)), key=lambda i: -len(utterances[i].wav))
        for first in range(0, len(order), self.batch):
            chosen = order[first : first + self.batch]
            for i, log_probs in zip(chosen, self._log_probs([utterances[i] for i in chosen]), strict=True):
                results[i] = self._align(utterances[i], log_probs)
        return results

    def _log_probs(self, utterances: Sequence[Utterance]):
        """Log posteriors of each utterance: float32 [frames, symbols], on the CPU."""
        import torch

        wavs = [torch.from_numpy(resample(u.wav, u.fs, self.fs).astype(np.float32, copy=False)) for u in utterances]
        device = next(self.recognizer.parameters()).device
        lengths = torch.tensor([len(wav) for wav in wavs], device=device)
        with torch.inference_mode():
            padded = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True).to(device)
            log_probs, frames = self.recognizer.log_probs(padded, lengths)
        return [row[:count].cpu() for row, count in zip(log_probs, frames.tolist(), strict=True)]

    def _align(self, utterance: Utterance, log_probs) -> list[TimedWord] | Failure:
        import torch
        from torchaudio.functional import forced_align

        spoken = [(word, text) for word in utterance.words if (text := normalize(word))]
        if not spoken:
            return Failure(f"no spoken word in transcript '{' '.join(utterance.words)}'")
        try:
            boundary = self.recognizer.text_ids(" ")  # nothing, for models without one
            spelt = [self.recognizer.text_ids(text) for _, text in spoken]
        except AudiolmError as error:
            return Failure(str(error))
        ids = [i for number, word in enumerate(spelt) for i in (boundary if number else []) + word]
        needed = len(ids) + sum(a == b for a, b in zip(ids, ids[1:], strict=False))
        if needed > len(log_probs):
            return Failure(f"{len(log_probs)} frames of audio are too few for {needed} symbols of transcript")
        with torch.inference_mode():
            path, scores = forced_align(log_probs[None], torch.tensor([ids]), blank=BLANK)
        path, scores = path[0].numpy(), scores[0].numpy()
        # Where each symbol of the transcript lies: a run of one id on the path, blanks apart.
        edges = np.flatnonzero(np.diff(path, prepend=-1, append=-1))
        runs = [(a, b) for a, b in zip(edges, edges[1:], strict=False) if path[a] != BLANK]
        words, position, past = [], 0, -np.inf
        for (word, _), symbols in zip(spoken, spelt, strict=True):
            own = runs[position : position + len(symbols)]
            first, last = own[0][0], own[-1][1]
            confidence = float(np.exp(np.mean([scores[a:b].mean() for a, b in own])))
            # A symbol's frames lie within its sound, so a word that follows another begins before them: halfway to that
            # one, at most a frame. (Recognisers of egs/mini and mini_de: starts 43 -> 32 and 67 -> 52 ms off.)
            joined = boundary and first - past <= JOINED * self.recognizer.frame_rate
            begin = max((past + first) / 2, first - 1) if joined else first
            start, end, past = begin / self.recognizer.frame_rate, last / self.recognizer.frame_rate, last
            words.append(TimedWord(word, start, min(end, len(utterance.wav) / utterance.fs), min(confidence, 1.0)))
            position += len(symbols) + len(boundary)
        return words
