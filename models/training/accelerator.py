"""Networks on an accelerator, where there is one: in bfloat16, with random numbers of its own."""

import torch
from torch import Tensor, nn


class Reduced(nn.Module):
    """A network evaluated in bfloat16 where there is an accelerator; what comes in and out is float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, log_sigma: Tensor, season: Tensor) -> Tensor:
        """As of the network."""
        with reduced(x.device):
            return self.network(x, log_sigma, season).float()


def reduced(device: torch.device) -> torch.autocast:
    """A context in which matrices are multiplied in bfloat16 on an accelerator."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers of that shape on that device, seeded by a generator on the processor."""
    seed = int(torch.randint(2**62, (), generator=generator))
    there = torch.Generator(like.device).manual_seed(seed)
    return torch.randn(like.shape, generator=there, device=like.device)
