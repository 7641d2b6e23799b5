"""A prior of the whole Earth from its file: autoencoder on the sphere, trajectory denoiser, covariances."""

from typing import Any

import torch
from torch import Tensor, nn

from models.prior.card import PriorCard
from models.prior.climatology import Climatology
from models.prior.columns import ColumnNetwork
from models.prior.denoiser import Denoiser
from models.prior.forecaster import Forecaster
from models.prior.gain import Gain
from models.prior.lagged import LaggedCovariance, orthonormal
from models.prior.sphere import SphereAutoencoder
from models.prior.trajectory import TrajectoryTransformer

TrajectoryNetwork = TrajectoryTransformer | ColumnNetwork

AT_ONCE = 2  # windows; what a CPU computes of more does not stay in its caches


class AtStep(nn.Module):
    """The network for windows of one time step."""

    def __init__(self, network: TrajectoryNetwork, hours: int) -> None:
        super().__init__()
        self.network = network
        hour = torch.tensor(float(hours), device=network.static.device)
        self.register_buffer("hours", hour, persistent=False)

    def forward(self, x: Tensor, log_sigma: Tensor, season: Tensor) -> Tensor:
        """See `TrajectoryTransformer` and `ColumnNetwork`."""
        few = AT_ONCE if x.device.type == "cpu" else len(x)
        parts = zip(*(v.split(few) for v in (x, log_sigma, season)), strict=True)
        return torch.cat([self.network(*part, self.hours) for part in parts])


def build_autoencoder(card: PriorCard) -> SphereAutoencoder:
    """With untrained weights."""
    return SphereAutoencoder(card.state.shape, **card.architecture["autoencoder"])


def build_network(card: PriorCard) -> TrajectoryNetwork:
    """With untrained weights and static fields of zeros."""
    sizes: dict[str, Any] = card.architecture["denoiser"]
    shape = build_autoencoder(card).latent_shape
    latitude = torch.tensor(card.state.grid.latitude, dtype=torch.float32).reshape(shape[1], -1).mean(1)
    static = torch.zeros(sizes["static"], *shape[1:])
    if sizes.get("kind") == "columns":
        return ColumnNetwork(shape, static, card.window, sizes["width"], sizes["blocks"], sizes["fine"])
    return TrajectoryTransformer(
        shape, latitude, static, sizes["width"], sizes["blocks"], sizes.get("box", 0)
    )


def build_forecaster(card: PriorCard) -> Forecaster | None:
    """With untrained weights and static fields of zeros; None if the prior has none for its step."""
    if not card.has_forecaster:
        return None
    sizes = card.architecture["forecaster"]
    shape = build_autoencoder(card).latent_shape
    return Forecaster(card.state, torch.zeros(2, *card.state.grid.shape), shape, **sizes)


def lagged_of(card: PriorCard, weights: dict[str, Tensor]) -> LaggedCovariance:
    """From the tensors called `climatology.*`."""
    sizes = card.architecture["climatology"]
    own = {k.partition(".")[2]: v for k, v in weights.items() if k.startswith("climatology.")}
    steps = [int(step) for step in sizes["steps"]]
    return LaggedCovariance(
        seasons=own["seasons"],
        spatial=orthonormal(own["spatial"]),
        lags=list(sizes["lags"]),
        lagged=own["lagged"],
        variances=dict(zip(steps, own["variances"], strict=True)),
        floor=dict(zip(steps, own["floor"].tolist(), strict=True)),
        hours=int(sizes.get("hours", card.state.step_hours)),
    )


def assemble(
    card: PriorCard, weights: dict[str, Tensor]
) -> tuple[SphereAutoencoder, Denoiser, Climatology, Forecaster | None]:
    """Autoencoder, denoiser, Climatology and forecaster of the card's step, from the tensors of a file."""
    autoencoder, network = build_autoencoder(card), build_network(card)
    forecaster = build_forecaster(card)
    modules = {"autoencoder": autoencoder, "network": network, "forecaster": forecaster}
    for name, module in modules.items():
        if module is None:
            continue
        own = {k.partition(".")[2]: v for k, v in weights.items() if k.startswith(f"{name}.")}
        module.load_state_dict(own)
        module.eval().requires_grad_(False)
    step = card.state.step_hours
    climatology = lagged_of(card, weights).climatology(card.window, step)
    denoiser = Denoiser(climatology, AtStep(network, step), gain_of(weights, step))
    return autoencoder, denoiser.eval(), climatology, forecaster


def gain_of(weights: dict[str, Tensor], step: int) -> Gain | None:
    """From the tensors called `gain.*`, if there are any."""
    name = f"gain.{step}.factors"
    return Gain(weights["gain.sigmas"], weights[name]) if name in weights else None
