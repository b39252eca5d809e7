"""Steps of streaming on a GPU: what a step launches is recorded once, as a CUDA graph, and replayed from then on."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from audiolm.nn.steps import Slots


class Stepper:
    """A step with its state; run as it is, or as CUDA graphs, one for each shape of chunks.

    A step that is recorded changes its state in place only, and in the active slots only.

    Args:
        slots: the state.
        step: chunk [B, ...] -> what comes out, [B, ...].
        graphs: record and replay; needs a CUDA device.
    """

    WARM_UPS = 3  # calls before a recording, as torch asks for

    def __init__(self, slots: Slots, step: Callable[[Tensor], Tensor], graphs: bool):
        self.slots, self.step = slots, step
        self.graphs: dict[tuple[int, ...], Graph] | None = {} if graphs else None

    def __call__(self, x: Tensor, active: Tensor | None) -> Tensor:
        """A chunk [B, ...] through the active slots, bool [B]; None: all."""
        if self.graphs is None:
            self.slots.active = active
            return self.step(x)
        if x.shape not in self.graphs:
            self.graphs[x.shape] = self._record(x)
        self.slots.active.fill_(True) if active is None else self.slots.active.copy_(active)
        graph = self.graphs[x.shape]
        graph.input.copy_(x)
        graph.work.replay()
        return graph.output.clone()

    def _record(self, x: Tensor) -> "Graph":
        """Record the step for chunks of x's shape, without a trace in the state: all slots pause."""
        if self.slots.active is None:
            self.slots.active = torch.zeros(self.slots.batch, dtype=torch.bool, device=self.slots.device)
        self.slots.active.fill_(False)
        given = x.to(self.slots.device, copy=True)
        side = torch.cuda.Stream(self.slots.device)
        side.wait_stream(torch.cuda.current_stream(self.slots.device))
        with torch.cuda.stream(side):
            for _ in range(self.WARM_UPS):
                self.step(given)
        torch.cuda.current_stream(self.slots.device).wait_stream(side)
        work = torch.cuda.CUDAGraph()
        with torch.cuda.graph(work):
            output = self.step(given)
        return Graph(work, given, output)


@dataclass
class Graph:
    """A recorded step with the memory that it reads and writes."""

    work: "torch.cuda.CUDAGraph"
    input: Tensor
    output: Tensor
