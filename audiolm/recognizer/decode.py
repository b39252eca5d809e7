"""From CTC posteriors to words: the best path, or the best path through a loop over a closed vocabulary."""

from collections.abc import Sequence

import numpy as np


def greedy(log_probs: np.ndarray, symbols: str) -> str:
    """Take the likeliest id of each frame, merge repetitions, drop blanks (Graves et al. 2006, section 3.2).

    Args:
        log_probs: [F, 1 + symbols]; id 0 is the blank, id i + 1 is ``symbols[i]``.
    """
    ids = log_probs.argmax(-1)
    kept = ids[np.flatnonzero(np.diff(ids, prepend=-1))]
    return " ".join("".join(symbols[i - 1] for i in kept if i).split())


class WordLoop:
    """Viterbi search over all sequences of the words of a closed vocabulary.

    Every word is a chain of CTC states, its characters with optional blanks between (compulsory between equal ones);
    words follow one another through one word boundary, symbol id 1, which may also come first and last. All states of
    all utterances advance together, one step a frame.

    Args:
        words: spelling of each word in symbol ids, without the boundary.
        insertion: log probability added for every word; negative values make words rarer.
    """

    def __init__(self, words: dict[str, list[int]], insertion: float = 0.0):
        self.words = list(words)
        self.insertion = insertion
        # States 0 to 2: leading blank, boundary, blank after the boundary. Then word after word: its characters with
        # blanks between them, and a blank.
        emits, starts, ends, skipping = [0, 1, 0], [], [], []
        for spelling in words.values():
            starts.append(len(emits))
            for position, symbol in enumerate(spelling):
                if position:
                    emits.append(0)
                    if symbol != spelling[position - 1]:
                        skipping.append(len(emits))
                emits.append(symbol)
            ends.append(len(emits) - 1)
            emits.append(0)
        self.emits = np.array(emits)
        self.starts = np.array(starts)
        self.enders = np.sort(np.concatenate([ends, np.add(ends, 1)]))  # last characters and the blanks after them
        # Log probabilities of coming from the state before, and from the one before that.
        self.chain = np.zeros(len(emits))
        self.chain[[0, 1, *starts]] = -np.inf
        self.skip = np.full(len(emits), -np.inf)
        self.skip[skipping] = 0.0

    def decode(self, log_probs: np.ndarray, frames: Sequence[int]) -> list[list[str]]:
        """Return the likeliest words of each utterance; none where no word is likelier than any.

        Args:
            log_probs: [B, F, 1 + symbols].
            frames: valid ones of each utterance, at least 1.
        """
        rows, longest = np.arange(len(log_probs)), max(frames)
        scores = np.full((len(rows), len(self.emits)), -np.inf)
        scores[:, :2] = log_probs[:, 0, :2]
        scores[:, self.starts] = log_probs[:, 0, self.emits[self.starts]] + self.insertion
        # How far back in the list of states each came from (0, 1 or 2), except: the boundary, and the words' starts.
        steps = np.zeros((longest, *scores.shape), dtype=np.int8)
        before_boundary = np.ones((longest, len(rows)), dtype=np.int64)
        before_start = np.full((longest, len(rows)), -1)
        finals = [self._final(scores[row]) for row in rows]
        leaving = np.append(self.enders, 0)
        for t in range(1, longest):
            best, step = scores.copy(), steps[t]
            for back, cost in ((1, self.chain), (2, self.skip)):
                arriving = scores[:, :-back] + cost[back:]
                better = arriving > best[:, back:]
                best[:, back:][better] = arriving[better]
                step[:, back:][better] = back
            ender = leaving[scores[:, leaving].argmax(1)]
            before_boundary[t] = np.where(scores[rows, ender] > scores[:, 1], ender, 1)
            best[:, 1] = scores[rows, before_boundary[t]]
            before_start[t] = scores[:, :3].argmax(1)
            entering = scores[rows, before_start[t]] + self.insertion
            better = entering[:, None] > scores[:, self.starts]
            best[:, self.starts] = np.where(better, entering[:, None], scores[:, self.starts])
            step[:, self.starts] = better
            scores = best + log_probs[:, t, self.emits]
            for row in np.flatnonzero(np.equal(frames, t + 1)):
                finals[row] = self._final(scores[row])
        word_of = dict(zip(self.starts.tolist(), self.words, strict=True))
        texts = []
        for row, state in enumerate(finals):
            found = []
            for t in range(frames[row] - 1, -1, -1):
                entered = state in word_of and (t == 0 or steps[t, row, state] == 1)
                if entered:
                    found.append(word_of[state])
                    state = int(before_start[t, row])
                elif state == 1:
                    state = int(before_boundary[t, row])
                else:
                    state -= int(steps[t, row, state])
            texts.append(found[::-1])
        return texts

    def _final(self, scores: np.ndarray) -> int:
        """The likeliest state in which an utterance may end."""
        finals = np.concatenate([[0, 1, 2], self.enders])
        return int(finals[scores[finals].argmax()])
