"""Posteriors whose truth is known everywhere: what samplers are compared on.

    lorenz96          Sakov & Oke 2008: all 40 components seen at every state, 0.05 apart
    lorenz96-sparse   Spantini et al. 2022: every other component seen at every other state, 0.2 apart
    europe            states of the prior's test years, seen by its example network, thinned for every other
                      window (`serein score europe` has the same networks)

Truth and errors of the observations are drawn from a seed. Everything is standardised per channel, so that
scores of different variables can be averaged.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.classical import lorenz96
from models.classical import prior as classical
from models.classical.assimilation import Network, Window
from models.posterior.posterior import Posterior
from models.verification.scores import crps_ensemble

ROWS = 64  # windows times members sampled together, about


@dataclass(frozen=True, eq=False)
class Twin:
    """Some windows to be sampled together, each row of z a member of one of them.

    Attributes:
        posterior: of B windows times `members`, in this order.
        members: of each window.
        truth: standardised states, (B, size), float64.
        weight: of each component in means, (size,).
        states: z (B members, *shape) -> standardised states, (B members, size).
    """

    posterior: Posterior
    members: int
    truth: np.ndarray
    weight: np.ndarray
    states: Callable[[Tensor], Tensor]

    @property
    def rows(self) -> int:
        """B times members."""
        return len(self.truth) * self.members

    def crps(self, z: Tensor) -> np.ndarray:
        """Fair CRPS of every window, mean over all its states, (B,); of independent members only."""
        members = self.states(z).double().numpy().reshape(len(self.truth), self.members, -1)
        return np.average(crps_ensemble(members.swapaxes(0, 1), self.truth), axis=-1, weights=self.weight)


@dataclass(frozen=True)
class Lorenz:
    """A network of Lorenz-96: prior, states of a window, every how many of which are seen, and components.

    `variance` is that of the observations' errors.
    """

    prior: str
    window: int
    states: int
    points: int
    variance: float

    def twins(self, windows: int, members: int, seed: int) -> Iterator[Twin]:
        """Independent windows on the attractor."""
        generator = torch.Generator().manual_seed(seed)
        prior = classical.load(self.prior)
        spread = float(prior.std)
        seen = torch.arange(self.window - 1, -1, -self.states).flip(0)
        which = torch.arange(0, lorenz96.SIZE, self.points)
        window = Window.of(prior, Network.of(self.window, seen, which, self.variance**0.5 / spread))
        states = lorenz96.trajectories(windows, self.window, prior.spacing, generator)
        truth = prior.standardise(states.unflatten(-1, prior.shape)).flatten(1).double()
        noise = torch.randn(windows, len(window.error), generator=generator, dtype=torch.float64)
        values = truth @ window.jacobian.T + window.error * noise
        batch = max(1, ROWS // members)
        for some, y in zip(truth.split(batch), values.split(batch), strict=True):
            posterior = window.posterior(y.repeat_interleave(members, dim=0))
            yield Twin(posterior, members, some.numpy(), np.ones(some.shape[1]), lambda z: z.flatten(1))


LORENZ = {
    "lorenz96": Lorenz("lorenz96", window=16, states=1, points=1, variance=1.0),
    "lorenz96-sparse": Lorenz("lorenz96-coarse", window=17, states=2, points=2, variance=0.5),
}


def europe(data: Path, windows: int, members: int, seed: int) -> Iterator[Twin]:
    """Windows evenly over the test years.

    Raises:
        FileNotFoundError: the states are not in `data`.
        ValueError: there are not so many windows.
    """
    from app.scoreboard.europe import TWIN_NETWORKS, test_states, thinned
    from models import osse
    from models.analysis import Analysis
    from models.prior.card import load_card
    from models.prior.prior import load_prior
    from models.training.data import open_states

    prior = load_prior(load_card("europe"))
    card, network = prior.card, osse.example_network(prior.card)
    states = open_states(test_states(data), card.state.names)
    first = np.flatnonzero(states.of_years(card.data["years"]["test"]))[: 1 - card.window]
    if windows > len(first):
        raise ValueError(f"there are {len(first)} windows in the test years, not {windows}")
    offset = seed % max(1, len(first) // windows)
    std = torch.as_tensor(card.state.std)[:, None, None]
    weight = np.broadcast_to(card.state.grid.area_weights, states.values[: card.window].shape)
    for k, i in enumerate(first[np.linspace(0, len(first) - 1 - offset, windows).astype(int) + offset]):
        analysis = Analysis(prior, states.times[i : i + card.window].tz_localize("UTC"))
        truth = states.values[i : i + card.window]
        table = osse.observe(
            analysis, thinned(network, *TWIN_NETWORKS[k % len(TWIN_NETWORKS)]), truth, seed * 100_003 + int(i)
        )

        def standardised(z: Tensor) -> Tensor:
            return (prior.decode(z).double() / std).flatten(1)

        yield Twin(
            analysis.posterior(table),
            members,
            (torch.from_numpy(truth).double() / std).flatten()[None].numpy(),
            weight.ravel(),
            standardised,
        )


def decoder_share(twin: Twin) -> float:
    """Floating-point operations of looking at a window (decoder, operator), in those of denoising it."""
    from torch.utils.flop_counter import FlopCounterMode

    z = twin.posterior.mean.expand(twin.rows, *twin.posterior.mean.shape)

    def operations(function: Callable[[], Any]) -> int:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            function()
        return counter.get_total_flops()

    look = operations(lambda: twin.posterior.observe(z))
    return look / operations(lambda: twin.posterior.denoiser(z, 1.0))
