"""How often a sampler runs the denoiser forwards and backwards: what it costs, whatever the machine."""

import dataclasses
from dataclasses import dataclass

from torch import Tensor

from models.posterior.posterior import Posterior


@dataclass
class Cost:
    """Evaluations of the denoiser, and vector-Jacobian products through it, per member (or particle).

    A vector-Jacobian product is counted as two evaluations in `total`.
    """

    forward: float = 0.0
    backward: float = 0.0

    @property
    def total(self) -> float:
        """forward + 2 backward."""
        return self.forward + 2 * self.backward


def counted(posterior: Posterior, members: int) -> tuple[Posterior, Cost]:
    """The same posterior, and the cost per member of what is done with it from now on."""
    cost = Cost()

    def denoise(z: Tensor, sigma: float) -> Tensor:
        denoised = posterior.denoiser(z, sigma)
        cost.forward += len(z) / members
        if denoised.requires_grad:
            denoised.register_hook(lambda _: setattr(cost, "backward", cost.backward + len(z) / members))
        return denoised

    return dataclasses.replace(posterior, denoiser=denoise), cost
