"""One decode engine: sequences in slots side by side, each as it comes out alone.

:class:`Choice` draws one token of a step for all slots: guidance, what is given, top-k and top-p, a second draw of what
repeats. :class:`Slotted` is what all of a slot's state begins and pauses with. Both serve models of any step, such as
Moshi's frames (:mod:`audiolm.models.moshi.generate`). :func:`decode` is the loop for sequences: prompts of unequal
lengths are read, then one token a step is drawn until a stop; a slot that has ended takes the next sequence.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from audiolm.errors import AudiolmError
from audiolm.lm.sampling import Draws, RepetitionGuard, Repetitions, Sampling, sample
from audiolm.streams.grid import TO_GENERATE


class Choice:
    """Draws one token of every step, in B slots.

    Args:
        sampling: how it is drawn.
        guidance: classifier-free guidance (Ho & Salimans 2021): logits come as [2 B, V], of the model that sees the
            condition and then of the same model without it, and are uncond + guidance · (cond - uncond). 1 = off:
            logits come as [B, V].
        repetition: the second draw of tokens that repeat (VALL-E 2: Chen et al. 2024, algorithm 1); None = off.
    """

    def __init__(self, sampling: Sampling, guidance: float = 1.0, repetition: Repetitions | None = None):
        self.sampling, self.guidance, self.repetition = sampling, guidance, repetition

    def __call__(self, logits: Tensor, uniform: Tensor, second: Tensor, given: Tensor) -> Tensor:
        """Tokens int64 [B].

        Args:
            logits: [B, V], under guidance [2 B, V].
            uniform, second: [B] in (0, 1], of the first draw and of the one after a repetition.
            given: int64 [B], the token, or :data:`~audiolm.streams.grid.TO_GENERATE`.
        """
        if self.guidance != 1:
            cond, uncond = logits.chunk(2)
            logits = uncond + self.guidance * (cond - uncond)
        drawn = sample(logits, self.sampling, uniform)
        if self.repetition is not None:
            drawn = self.repetition.redraw(drawn, logits, second)
        return torch.where(given == TO_GENERATE, drawn, given)


class State(Protocol):
    """What a step keeps of its slots."""

    def reset(self, slots: Sequence[int]) -> Any:
        """Begin again in ``slots``."""


class Slotted:
    """All that B slots keep from step to step.

    Args:
        batch: B.
        draws: each slot's random numbers.
        guidance: 1, or a second row of the model for every slot, ``batch`` rows further on.
    """

    def __init__(self, batch: int, draws: Draws, guidance: float = 1.0):
        self.batch, self.draws, self.doubled = batch, draws, guidance != 1
        self._of_slots: list[State] = []
        self._of_rows: list[State] = []

    @property
    def num_rows(self) -> int:
        """Rows of the model."""
        return 2 * self.batch if self.doubled else self.batch

    def keep(self, state: State) -> None:
        """A state of slots; it begins again with them."""
        self._of_slots.append(state)

    def keep_rows(self, state: State) -> None:
        """The same, of the model's rows."""
        self._of_rows.append(state)

    def rows(self, slots: Sequence[int]) -> list[int]:
        """The model's rows of some slots."""
        return [*slots, *(slot + self.batch for slot in slots)] if self.doubled else list(slots)

    def rows_mask(self, active: Tensor | None) -> Tensor | None:
        """The same of a mask, bool [B] -> bool [rows]."""
        return active if active is None or not self.doubled else torch.cat((active, active))

    def begin(self, slots: Sequence[int], seeds: Sequence[int]) -> None:
        """Begin new sequences in ``slots``, with a seed for each; the others go on."""
        slots = list(slots)
        for state in self._of_rows:
            state.reset(self.rows(slots))
        self.draws.begin(slots, list(seeds))
        for state in self._of_slots:
            state.reset(slots)


class Stepped(Protocol):
    """A causal model of one sequence of tokens: what :func:`decode` runs."""

    def cache(self, batch: int, chunk: int, longest: int) -> Any:
        """State of ``batch`` sequences of at most ``longest`` places, read in chunks of at most ``chunk``: a
        :class:`audiolm.nn.transformer.TransformerCache`, or what has its ``position`` and ``reset``."""

    def embed(self, tokens: Tensor) -> Tensor:
        """int64 [...] -> [..., dim]."""

    def states(self, x: Tensor, cache: Any) -> Tensor:
        """Embeddings of the next places [B, T, dim] -> states [B, T, dim]."""

    def logits(self, states: Tensor) -> Tensor:
        """States [B, dim] -> logits of the next token [B, V]."""


@dataclass
class Prompt:
    """A sequence to go on with.

    Attributes:
        tokens: int64 [P], P ≥ 1; or embeddings [P, dim] of a prefix that is not all tokens.
        seed: of its draws.
        most: tokens that are drawn at most, a last one that stops it included.
        without: the same without its condition, of any length; needed under guidance.
    """

    tokens: Tensor
    seed: int = 0
    most: int = 100
    without: Tensor | None = None


@dataclass
class Rules:
    """How sequences go on, and when they end.

    Attributes:
        sampling: of all tokens.
        stops: ids that end a sequence; they are not part of it.
        never: ids that are not drawn.
        allowed: (number of tokens drawn so far [B]) -> bool [B, V], the ids that may come next; None = all. AudioLM's
            flattened levels take turns by it.
        guidance: see :class:`Choice`.
        repetition: guard against loops; None = off.
        finished: (the tokens of a sequence so far) -> whether it ends here; None = never.
    """

    sampling: Sampling = field(default_factory=Sampling)
    stops: Sequence[int] = ()
    never: Sequence[int] = ()
    allowed: Callable[[Tensor], Tensor] | None = None
    guidance: float = 1.0
    repetition: RepetitionGuard | None = None
    finished: Callable[[list[int]], bool] | None = None


@torch.no_grad()
def decode(
    model: Stepped, prompts: Sequence[Prompt], rules: Rules, batch: int = 64, chunk: int = 256
) -> list[list[int]]:
    """What follows each prompt. What a sequence becomes depends on neither ``batch`` nor ``chunk`` nor its mates.

    Args:
        model: in evaluation mode.
        prompts: of any lengths.
        rules: of all.
        batch: slots.
        chunk: places of a prompt that are read at once.

    Raises:
        AudiolmError: an empty prompt, or guidance without what it needs.
    """
    for number, prompt in enumerate(prompts):
        if not len(prompt.tokens):
            raise AudiolmError(f"prompt {number} is empty, expected a token at least; begin with BOS")
        if rules.guidance != 1 and prompt.without is None:
            raise AudiolmError(f"prompt {number} says nothing of itself without its condition, which guidance needs")
    if not prompts:
        return []
    return _Decoder(model, prompts, rules, min(batch, len(prompts)), chunk).run()


class _Decoder:
    """The slots of one call of :func:`decode`."""

    def __init__(self, model: Stepped, prompts: Sequence[Prompt], rules: Rules, batch: int, chunk: int):
        self.model, self.prompts, self.rules, self.batch = model, prompts, rules, batch
        self.given = [model.embed(p.tokens) if p.tokens.ndim == 1 else p.tokens for p in prompts]
        self.device = device = self.given[0].device
        without = [self._embedded(p.without) for p in prompts] if rules.guidance != 1 else []
        self.without = without
        longest = max(
            len(one) + prompt.most for each in (self.given, without) for one, prompt in zip(each, prompts, strict=False)
        )
        self.chunk = min(chunk, max(len(one) for one in [*self.given, *without]))
        self.slots = Slotted(batch, Draws(range(batch), 2, device), rules.guidance)
        self.cache = model.cache(self.slots.num_rows, self.chunk, longest)
        self.slots.keep_rows(self.cache)
        self.repetitions = None
        if rules.repetition is not None:
            self.repetitions = Repetitions(batch, rules.repetition, device)
            self.slots.keep(self.repetitions)
        self.choice = Choice(rules.sampling, rules.guidance, self.repetitions)
        self.waiting = iter(range(len(prompts)))
        self.inside: list[int | None] = [None] * batch  # which prompt each slot goes on with
        self.made: list[list[int]] = [[] for _ in prompts]
        self.states: Tensor | None = None  # [rows, dim], of the last place of every row

    def run(self) -> list[list[int]]:
        self._fill(range(self.batch))
        while any(index is not None for index in self.inside):
            going = torch.tensor([index is not None for index in self.inside], device=self.device)
            tokens = self._draw(going)
            self._advance(self.model.embed(tokens)[:, None], going)
            ended = [slot for slot, token in enumerate(tokens.tolist()) if not self._take(slot, token)]
            self._fill(ended)
        return self.made

    def _embedded(self, tokens: Tensor | None) -> Tensor:
        return self.model.embed(tokens) if tokens.ndim == 1 else tokens

    def _fill(self, slots: Sequence[int]) -> None:
        """Begin the next sequences in slots that have none, and read their prompts."""
        begun = [(slot, index) for slot, index in zip(slots, self.waiting, strict=False)]
        if not begun:
            return
        places = [slot for slot, _ in begun]
        self.slots.begin(places, [self.prompts[index].seed for _, index in begun])
        rows: dict[int, Tensor] = {}
        for slot, index in begun:
            self.inside[slot] = index
            rows[slot] = self.given[index]
            if self.without:
                rows[slot + self.batch] = self.without[index]
        for parts, lengths in self._chunks(rows):
            self._read(parts, lengths)

    def _chunks(self, rows: dict[int, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Prompts by row -> chunks [rows, T, dim], and how many places of each count, int64 [rows]."""
        longest = max(map(len, rows.values()))
        for start in range(0, longest, self.chunk):
            width = min(self.chunk, longest - start)
            first = next(iter(rows.values()))
            parts = first.new_zeros(self.slots.num_rows, width, first.shape[1])
            lengths = torch.zeros(self.slots.num_rows, dtype=torch.int64, device=self.device)
            for row, prompt in rows.items():
                part = prompt[start : start + width]
                parts[row, : len(part)], lengths[row] = part, len(part)
            yield parts, lengths

    def _read(self, x: Tensor, lengths: Tensor) -> None:
        """The next places of some rows, [rows, T, dim], of which the first ``lengths`` count."""
        states = self.model.states(x, self.cache)
        self.cache.position.sub_(x.shape[1] - lengths)  # what lies beyond a row's last place is never seen
        last = states[torch.arange(len(x), device=self.device), (lengths - 1).clamp(min=0)]
        if self.states is None:
            self.states = torch.zeros_like(last)
        self.states = torch.where((lengths > 0)[:, None], last, self.states)

    def _advance(self, x: Tensor, going: Tensor) -> None:
        """One place more [B, 1, dim] in the slots that go on."""
        rows = self.slots.rows_mask(going)
        self._read(x.repeat(2, 1, 1) if self.slots.doubled else x, rows.to(torch.int64))

    def _draw(self, going: Tensor) -> Tensor:
        """The next token of every slot, int64 [B]."""
        logits = self.model.logits(self.states)
        refused = torch.zeros(self.batch, logits.shape[1], dtype=torch.bool, device=self.device)
        refused[:, list(self.rules.never)] = True
        if self.rules.allowed is not None:
            counts = [0 if index is None else len(self.made[index]) for index in self.inside]
            refused |= ~self.rules.allowed(torch.tensor(counts, device=self.device))
        logits = logits.masked_fill(refused.repeat(len(logits) // self.batch, 1), -torch.inf)
        uniform = self.slots.draws.step(going)
        given = torch.full((self.batch,), TO_GENERATE, device=self.device)
        tokens = self.choice(logits, uniform[:, 0], uniform[:, 1], given)
        if self.repetitions is not None:
            self.repetitions.store(tokens, going)
        return tokens

    def _take(self, slot: int, token: int) -> bool:
        """Add a slot's token to its sequence; False where that has ended."""
        index = self.inside[slot]
        if index is None:
            return True  # an empty slot does not end
        made, goes_on = self.made[index], token not in self.rules.stops
        if goes_on:
            made.append(token)
            goes_on = len(made) < self.prompts[index].most
            goes_on = goes_on and not (self.rules.finished is not None and self.rules.finished(made))
        if not goes_on:
            self.inside[slot] = None
        return goes_on
