r"""What holds of every state of the atmosphere, whatever its weather: mass and hydrostatic balance.

A network that has seen nothing but true states does not mend what no true state has: a height that the air
below it does not have, or air that has come from nowhere, stays for as long as the forecast goes on. So
states are made to obey before a step and after it.

    mass      the area mean of the surface pressure is the same at all times, for weather moves air from place
              to place: in the simulated Earth to 0.05 hPa. Real air takes up water, some tenths of a hPa
    balance   a height is what temperature, humidity and pressure of its column make it, in each place

                  z = z_0 + sum_c w_c x_c,

              by least squares over true states, for levels are few and ground is not flat; the hypsometric
              equation, linear as weather is small beside the height.
"""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from models.state.spec import StateSpec

COLUMN = frozenset({"t", "q", "sp"})  # variables that heights follow from
RIDGE = 1e-4  # of the variance of a channel: channels that always go together share their weight


class Laws(nn.Module):
    """Standardised states (..., C, H, W) -> states that obey; as they are, where there is no law.

    Attributes:
        mean: area means of the `constant` channels, (m,).
        weights, offset: w and z_0 of the `diagnosed` channels, (d, p, H, W) and (d, H, W).

    Arguments:
        state: what states are.
        constant: channels that have the same area mean at all times.
        diagnosed: channels that follow from their column.

    Raises:
        ValueError: the state has no such channel, or nothing that others follow from.
    """

    mean: Tensor
    weights: Tensor
    offset: Tensor
    area: Tensor

    def __init__(self, state: StateSpec, constant: Sequence[str] = (), diagnosed: Sequence[str] = ()) -> None:
        super().__init__()
        for name in (*constant, *diagnosed):
            if name not in state.names:
                raise ValueError(f"forecaster: the state has no channel {name!r} that a law could hold of")
        self.constant = [state.names.index(name) for name in constant]
        self.diagnosed = [state.names.index(name) for name in diagnosed]
        self.column = [k for k, c in enumerate(state.channels) if c.variable in COLUMN]
        if self.diagnosed and not self.column:
            raise ValueError(
                f"forecaster: {', '.join(diagnosed)} follow from t, q and sp, and there are none"
            )
        d, p = len(self.diagnosed), len(self.column)
        self.register_buffer("mean", torch.zeros(len(self.constant)))
        self.register_buffer("weights", torch.zeros(d, p, *state.grid.shape))
        self.register_buffer("offset", torch.zeros(d, *state.grid.shape))
        area = torch.as_tensor(state.grid.area_weights, dtype=torch.float32)
        self.register_buffer("area", area, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Obeying states, of the same shape; gradients go through."""
        if not self.constant and not self.diagnosed:
            return x
        x = x.clone()
        if self.constant:
            off = self.mean[:, None, None] - self._area_mean(x)
            x[..., self.constant, :, :] = x[..., self.constant, :, :] + off
        if self.diagnosed:
            column = x[..., self.column, :, :]
            with torch.autocast(x.device.type, enabled=False):  # a small difference of large numbers
                height = torch.einsum("dphw,...phw->...dhw", self.weights, column)
            x[..., self.diagnosed, :, :] = self.offset + height
        return x

    def fit(self, states: Callable[[], Iterable[Tensor]]) -> None:
        """Learns the laws from true states.

        Arguments:
            states: parts of them, standardised, (n, C, H, W), each time it is called.
        """
        if not self.constant and not self.diagnosed:
            return
        count, mean = 0, torch.zeros(())
        for x in states():
            count, mean = count + len(x), mean + x.double().sum(0)
        mean = mean / count
        self.mean.copy_(self._area_mean(mean[None])[0, :, 0, 0])
        if not self.diagnosed:
            return
        own = together = torch.zeros(())
        for x in states():
            off = x.double() - mean
            column = off[:, self.column]
            own = own + torch.einsum("nphw,nqhw->hwpq", column, column) / count
            together = together + torch.einsum("nphw,ndhw->hwpd", column, off[:, self.diagnosed]) / count
        own = own + RIDGE * torch.eye(len(self.column), dtype=own.dtype)
        weights = torch.linalg.solve(own, together).permute(3, 2, 0, 1)
        self.weights.copy_(weights)
        self.offset.copy_(mean[self.diagnosed] - torch.einsum("dphw,phw->dhw", weights, mean[self.column]))

    def _area_mean(self, x: Tensor) -> Tensor:
        """Of the constant channels, (..., m, 1, 1)."""
        own = x[..., self.constant, :, :] * self.area.to(x)
        return own.mean((-2, -1), keepdim=True)
