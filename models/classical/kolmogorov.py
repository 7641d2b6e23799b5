r"""Kolmogorov flow: two-dimensional turbulence that a shear force keeps going (SDA's third problem).

The incompressible Navier-Stokes equations on the torus [0, 2 pi)^2, with the force of jax-cfd (Kochkov et
al. 2021) at the Reynolds number 10^3, as in Rozet & Louppe (2023),

    du/dt + u . grad u = -grad p + nu lap u - alpha u + sin(4 y) e_x,      nu = 10^-3, alpha = 0.1,

in the form of vorticity w = dv/dx - du/dy. With the Fourier coefficients W(k),

    dW/dt = L W + F - i k . (uw)^(k),      L = -nu k^2 - alpha,      F = curl of the force.

The steady laminar flow -F/L is subtracted, so what is linear, the force included, is integrated exactly (by
its exponential), and what remains, the advection, by a Runge-Kutta step of fourth order. Products are formed
on a grid of `GRID` points a side, of which two thirds of the wavenumbers are kept (no aliasing); states are
the velocities (u, v) of the wavenumbers below `SIZE` / 2, on a grid of `SIZE` points: without divergence, to
rounding.

Points lie at (j + 1/2) 2 pi / n; rows are y, columns are x. Two symmetries leave the force as it is, besides
shifts along x and by 2 pi / 4 along y; `image` makes them.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

VISCOSITY, DRAG, WAVENUMBER = 1e-3, 0.1, 4
GRID, SIZE = 128, 64
DT, COARSE_DT = 0.01, 0.02
SPIN_UP = (13.0, 2.0)  # on the coarse grid, to forget the start (drag does in 10), and on the fine one
AT_ONCE = 16  # trajectories: what fits into a processor's cache


@dataclass(frozen=True)
class Flow:
    """The equations on n x n points; vorticity as W (..., n, n // 2 + 1), complex.

    Flows may differ in their viscosity, (N, 1, 1).
    """

    n: int = GRID
    viscosity: float | Tensor = VISCOSITY
    drag: float = DRAG
    force: float = 1.0
    dtype: torch.dtype = torch.float32

    @cached_property
    def wavenumbers(self) -> tuple[Tensor, Tensor]:
        """k_y (n, 1) and k_x (1, n // 2 + 1)."""
        ky = torch.fft.fftfreq(self.n, 1 / self.n, dtype=self.dtype)[:, None]
        return ky, torch.fft.rfftfreq(self.n, 1 / self.n, dtype=self.dtype)[None]

    @cached_property
    def kept(self) -> Tensor:
        """Two thirds of the wavenumbers, (n, n // 2 + 1)."""
        ky, kx = self.wavenumbers
        return (ky.abs() < self.n / 3) & (kx < self.n / 3)

    @cached_property
    def linear(self) -> Tensor:
        """L, (n, n // 2 + 1), or one for each flow."""
        ky, kx = self.wavenumbers
        return -self.viscosity * (ky**2 + kx**2) - self.drag

    @cached_property
    def laminar(self) -> Tensor:
        """W of the steady flow u = force sin(4 y) / (16 nu + alpha), complex."""
        y = (torch.arange(self.n, dtype=torch.float64) + 0.5) * (2 * math.pi / self.n)
        amplitude = -WAVENUMBER * self.force / (self.viscosity * WAVENUMBER**2 + self.drag)
        w = amplitude * (WAVENUMBER * y).cos()[:, None]
        return torch.fft.rfft2(w.expand(*w.shape[:-1], self.n).to(self.dtype))

    @cached_property
    def _from_vorticity(self) -> Tensor:
        """u and v of W, (2, n, n // 2 + 1): psi = W / k^2, u = dpsi/dy, v = -dpsi/dx; no mean flow."""
        ky, kx = self.wavenumbers
        k2 = ky**2 + kx**2
        k2[0, 0] = 1
        return torch.stack(torch.broadcast_tensors(1j * ky, -1j * kx)) / k2

    def velocities(self, w: Tensor) -> Tensor:
        """(u, v) of W, both as coefficients, (..., 2, n, n // 2 + 1)."""
        return self._from_vorticity * w[..., None, :, :]

    def velocity(self, w: Tensor) -> Tensor:
        """(u, v) on the grid, (..., 2, n, n)."""
        return torch.fft.irfft2(self.velocities(w), s=(self.n, self.n))

    def vorticity(self, velocity: Tensor) -> Tensor:
        """W of (u, v) (..., 2, n, n)."""
        ky, kx = self.wavenumbers
        u, v = torch.fft.rfft2(velocity).unbind(-3)
        return 1j * kx * v - 1j * ky * u

    def advection(self, w: Tensor) -> Tensor:
        """-i k . (uw)^, without what aliases."""
        ky, kx = self.wavenumbers
        fields = torch.cat([self._from_vorticity, torch.ones_like(self._from_vorticity[:1])])
        u, v, vorticity = torch.fft.irfft2(fields * w[..., None, :, :], s=(self.n, self.n)).unbind(-3)
        x, y = torch.fft.rfft2(torch.stack([u * vorticity, v * vorticity])).unbind(0)
        return torch.where(self.kept, -1j * (kx * x + ky * y), 0)

    def step(self, w: Tensor, dt: float) -> Tensor:
        """W(t) -> W(t + dt)."""
        half = (self.linear * (dt / 2)).exp()
        base, left = self.laminar, w - self.laminar
        k1 = self.advection(w)
        k2 = self.advection(base + half * (left + dt / 2 * k1))
        k3 = self.advection(base + half * left + dt / 2 * k2)
        k4 = self.advection(base + half * (half * left + dt * k3))
        return base + half * (half * (left + dt / 6 * k1) + dt / 3 * (k2 + k3)) + dt / 6 * k4

    def random(self, number: int, generator: torch.Generator) -> Tensor:
        """Smooth eddies round the wavenumber 4, of unit root-mean-square velocity: W (number, ...)."""
        ky, kx = self.wavenumbers
        noise = torch.randn(number, self.n, self.n, generator=generator, dtype=self.dtype)
        k = (ky**2 + kx**2).sqrt()
        w = torch.fft.rfft2(noise) * k**2 * (-((k / WAVENUMBER) ** 2)).exp() * self.kept
        return w / self.velocity(w).square().sum(1).mean((-2, -1)).sqrt()[:, None, None]


def regridded(fields: Tensor, n: int, to: int) -> Tensor:
    """Coefficients (..., n, n // 2 + 1) for `to` points a side: wavenumbers below half of both."""
    top = min(n, to) // 2
    ky = torch.cat([torch.arange(top), torch.arange(1 - top, 0)])
    kx = torch.arange(top)
    shift = (ky[:, None] + kx).to(fields.real) * (torch.pi / to - torch.pi / n)  # grids begin at half a step
    out = fields.new_zeros(*fields.shape[:-2], to, to // 2 + 1)
    part = fields[..., ky[:, None] % n, kx]
    out[..., ky[:, None] % to, kx] = part * torch.polar(torch.ones_like(shift), shift)
    return out * (to / n) ** 2


def coarsen(w: Tensor, flow: Flow, size: int = SIZE) -> Tensor:
    """Velocities (..., 2, size, size) of W."""
    return torch.fft.irfft2(regridded(flow.velocities(w), flow.n, size), s=(size, size))


def trajectories(
    number: int,
    states: int,
    spacing: float,
    generator: torch.Generator,
    spin_up: tuple[float, float] = SPIN_UP,
    viscosity: float | Tensor = VISCOSITY,
) -> Tensor:
    """Velocities on the attractor, (number, states, 2 SIZE SIZE), float32, `spacing` apart.

    Arguments:
        viscosity: of all, or of each, (number, 1, 1).
    """
    every, out = math.ceil(spacing / DT - 1e-9), []
    own = torch.as_tensor(viscosity).expand(number, 1, 1).split(AT_ONCE)
    for w, nu in zip(Flow(SIZE).random(number, generator).split(AT_ONCE), own, strict=True):
        flow, coarse = Flow(viscosity=nu), Flow(SIZE, viscosity=nu)
        for _ in range(round(spin_up[0] / COARSE_DT)):
            w = coarse.step(w, COARSE_DT)
        w = regridded(w, SIZE, GRID)
        for _ in range(round(spin_up[1] / DT)):
            w = flow.step(w, DT)
        rows = [coarsen(w, flow)]
        for _ in range(states - 1):
            for _ in range(every):
                w = flow.step(w, spacing / every)
            rows.append(coarsen(w, flow))
        out.append(torch.stack(rows, dim=1).flatten(2))
    return torch.cat(out)


def vorticity(velocity: Tensor) -> Tensor:
    """dv/dx - du/dy of (u, v) (..., 2, n, n): (..., n, n), exact below the wavenumber n / 2."""
    return _curl(velocity, rotate=True)


def divergence(velocity: Tensor) -> Tensor:
    """du/dx + dv/dy of (u, v) (..., 2, n, n): (..., n, n), exact below the wavenumber n / 2."""
    return _curl(velocity, rotate=False)


def _curl(velocity: Tensor, rotate: bool) -> Tensor:
    n = velocity.shape[-1]
    k = torch.fft.fftfreq(n, 1 / n, dtype=velocity.dtype)
    k = torch.where(k.abs() == n // 2, 0, k)  # the highest has no derivative on the grid
    ky, kx = k[:, None], k[None, : n // 2 + 1]
    u, v = torch.fft.rfft2(velocity).unbind(-3)
    return torch.fft.irfft2(1j * (kx * v - ky * u) if rotate else 1j * (kx * u + ky * v), s=(n, n))


IMAGES = 16


def image(velocity: Tensor, number: int) -> Tensor:
    """(u, v) (..., 2, n, n) as one of the symmetries of the force has it, `number` in 0 ... 15.

    Made of the mirror with a shift by half a wave, (x, y, u, v) -> (-x, y + pi / 4, -u, v), up to seven
    times, and of turning it upside down, (x, y, u, v) -> -(x, y, u, v).
    """
    shifts, turn = number % 8, number >= 8
    if shifts % 2:
        velocity = torch.stack([-velocity[..., 0, :, :], velocity[..., 1, :, :]], dim=-3).flip(-1)
    velocity = velocity.roll(shifts * velocity.shape[-2] // 8, dims=-2)
    return -velocity.flip(-2, -1) if turn else velocity


def varied(velocity: Tensor, generator: torch.Generator) -> Tensor:
    """A random image."""
    return image(velocity, int(torch.randint(IMAGES, (), generator=generator)))


def profile(velocity: Tensor) -> Tensor:
    """Mean of states (N, S, 2, n, n) and of all their images and shifts along x, (2, n, 1), float64."""
    mean = velocity.mean((0, 1)).double().mean(-1, keepdim=True)
    return torch.stack([image(mean, k) for k in range(IMAGES)]).mean(0)
