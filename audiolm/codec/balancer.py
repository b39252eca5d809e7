"""The gradient of several losses at the codec's output: balanced, or of their weighted sum."""

import torch
from torch import Tensor, nn

from audiolm.train.ranks import mean_ranks


class Balancer(nn.Module):
    """Combine gradients g_i of several losses with respect to one output (EnCodec, section 3.4, eq. 5): weights say
    what share of the gradient each loss gives, whatever its own scale.

    ``g = norm / B * sum_i w_i / sum_j w_j * g_i / <|g_i|>`` where ``<|g_i|>`` is the moving average, over updates, of
    the gradient's norm averaged over samples and ranks, and B the number of this rank's samples: as for any mean over
    the batch, other losses weigh the same beside it on any number of ranks. The default ``norm`` is what EnCodec's sum
    over the 8 samples of a GPU comes to. A loss that is absent in an update takes no share of it.
    """

    EPSILON = 1e-12

    def __init__(self, weights: dict[str, float], decay: float = 0.999, norm: float = 8.0):
        super().__init__()
        self.weights = weights
        self.decay = decay
        self.norm = norm
        self.register_buffer("sums", torch.zeros(len(weights), dtype=torch.float64))  # of norms, discounted
        self.register_buffer("counts", torch.zeros(len(weights), dtype=torch.float64))  # of updates, discounted

    def forward(self, losses: dict[str, Tensor], output: Tensor) -> Tensor:
        """Return the balanced gradient, shaped as ``output`` [B, ...], and update the averages.

        Args:
            losses: scalars under names of ``weights``, each a function of ``output``.
        """
        used = [name for name in self.weights if name in losses]
        if not used:
            return torch.zeros_like(output)
        gradients = [torch.autograd.grad(losses[name], output, retain_graph=True)[0] for name in used]
        norms = torch.stack([gradient.flatten(1).norm(dim=1).mean() for gradient in gradients]).double()
        norms = mean_ranks(norms)
        at = torch.tensor([list(self.weights).index(name) for name in used], device=norms.device)
        self.sums[at] = self.sums[at] * self.decay + norms
        self.counts[at] = self.counts[at] * self.decay + 1
        averages = (self.sums[at] / self.counts[at]).clamp(min=self.EPSILON)
        total = sum(self.weights[name] for name in used)
        shares = [self.norm * self.weights[name] / total / len(output) for name in used]
        return sum(
            gradient * (share / average).to(gradient)
            for gradient, share, average in zip(gradients, shares, averages, strict=True)
        )


class WeightedSum(nn.Module):
    """The gradient of ``sum_i w_i l_i``, in one backward pass; what scale the losses have is the weights' matter."""

    def __init__(self, weights: dict[str, float]):
        super().__init__()
        self.weights = weights

    def forward(self, losses: dict[str, Tensor], output: Tensor) -> Tensor:
        """Return the gradient, shaped as ``output`` [B, ...], of scalar ``losses`` under names of the weights."""
        if not losses:
            return torch.zeros_like(output)
        total = sum(self.weights[name] * loss for name, loss in losses.items())
        return torch.autograd.grad(total, output, retain_graph=True)[0]
