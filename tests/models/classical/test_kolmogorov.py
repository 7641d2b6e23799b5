"""The solver of Kolmogorov flow against what is known in closed form."""

import math

import pytest
import torch

from models.classical import kolmogorov
from models.classical.kolmogorov import Flow


def points(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = (torch.arange(n, dtype=torch.float64) + 0.5) * (2 * math.pi / n)
    return x[:, None], x[None, :]


def eddies(flow: Flow, number: int = 2) -> torch.Tensor:
    return flow.random(number, torch.Generator().manual_seed(0))


def test_a_taylor_green_vortex_decays_as_it_should():
    flow = Flow(n=32, viscosity=0.02, drag=0.1, force=0.0, dtype=torch.float64)
    y, x = points(32)
    start = torch.stack([x.cos() * y.sin(), -x.sin() * y.cos()])
    w = flow.vorticity(start)
    for _ in range(20):
        w = flow.step(w, 0.05)
    rate = 2 * 0.02 + 0.1
    torch.testing.assert_close(flow.velocity(w), start * math.exp(-rate), rtol=0, atol=1e-12)


def test_the_laminar_flow_is_steady():
    flow = Flow(n=32, viscosity=0.05, dtype=torch.float64)
    y, _ = points(32)
    w = flow.laminar
    for _ in range(20):
        w = flow.step(w, 0.02)
    u, v = flow.velocity(w).unbind(-3)
    torch.testing.assert_close(u, ((4 * y).sin() / (16 * 0.05 + 0.1)).expand(32, 32), rtol=0, atol=1e-10)
    assert v.abs().max() < 1e-10


def test_the_force_speeds_up_a_fluid_at_rest():
    flow = Flow(n=32, viscosity=0.05, dtype=torch.float64)
    w = flow.step(torch.zeros(32, 17, dtype=torch.complex128), 0.1)
    rate = 16 * 0.05 + 0.1
    y, _ = points(32)
    expected = (4 * y).sin() * (1 - math.exp(-rate * 0.1)) / rate
    torch.testing.assert_close(flow.velocity(w)[0], expected.expand(32, 32), rtol=0, atol=1e-10)


def test_advection_conserves_energy_and_enstrophy():
    flow = Flow(n=48, dtype=torch.float64)
    w = eddies(flow)
    tendency = flow.advection(w)
    vorticity, change = (torch.fft.irfft2(a, s=(48, 48)) for a in (w, tendency))
    stream = torch.fft.irfft2(w / torch.where(flow.linear == -0.1, 1, (-flow.linear - 0.1) * 1e3), s=(48, 48))
    scale = (vorticity.abs() * change.abs()).mean()
    assert (vorticity * change).mean().abs() < 1e-12 * scale
    assert (stream * change).mean().abs() < 1e-12 * scale


def test_energy_changes_by_what_the_force_gives_and_friction_takes():
    flow = Flow(n=64, viscosity=0.01, dtype=torch.float64)
    w, dt = eddies(flow), 1e-3
    before, now, after = w, flow.step(w, dt), flow.step(flow.step(w, dt), dt)
    energy = [flow.velocity(s).square().sum(1).mean((-2, -1)) / 2 for s in (before, after)]
    velocity = flow.velocity(now)
    y, _ = points(64)
    given = (velocity[:, 0] * (4 * y).sin()).mean((-2, -1))
    enstrophy = torch.fft.irfft2(now, s=(64, 64)).square().mean((-2, -1))
    taken = 0.01 * enstrophy + 0.1 * velocity.square().sum(1).mean((-2, -1))
    torch.testing.assert_close((energy[1] - energy[0]) / (2 * dt), given - taken, rtol=1e-5, atol=1e-8)


def test_the_step_is_of_fourth_order():
    flow = Flow(n=32, viscosity=0.02, dtype=torch.float64)

    def after(steps: int) -> torch.Tensor:
        w = eddies(flow)
        for _ in range(steps):
            w = flow.step(w, 0.4 / steps)
        return w

    exact = after(160)
    coarse, fine = (float((after(n) - exact).abs().max()) for n in (10, 20))
    assert 12 < coarse / fine < 22


@pytest.fixture(scope="module")
def states() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    flat = kolmogorov.trajectories(2, 3, 0.1, generator, spin_up=(2.0, 0.5))
    return flat.unflatten(-1, (2, 64, 64))


def test_states_have_no_divergence(states):
    size = kolmogorov.vorticity(states).std()
    assert kolmogorov.divergence(states).abs().max() < 1e-5 * size
    double = kolmogorov.coarsen(eddies(Flow(dtype=torch.float64)), Flow(dtype=torch.float64))
    assert kolmogorov.divergence(double).abs().max() < 1e-12


def test_coarse_states_are_the_large_scales_at_the_same_places():
    y, x = points(128)
    v = (3 * x + 5 * y).cos()
    fine = torch.stack([-5 / 3 * v + (40 * y).sin(), v + (40 * x).sin()])
    flow = Flow(dtype=torch.float64)
    coarse = kolmogorov.coarsen(flow.vorticity(fine), flow)
    y, x = points(64)
    expected = (3 * x + 5 * y).cos()
    torch.testing.assert_close(coarse, torch.stack([-5 / 3 * expected, expected]), rtol=0, atol=1e-10)


def test_going_to_a_finer_grid_and_back_changes_nothing():
    coarse, fine = Flow(n=32, dtype=torch.float64), Flow(n=64, dtype=torch.float64)
    w = eddies(coarse)
    finer = kolmogorov.regridded(w, 32, 64)
    torch.testing.assert_close(kolmogorov.regridded(finer, 64, 32), w)
    torch.testing.assert_close(fine.velocity(finer).square().mean(), coarse.velocity(w).square().mean())


def test_the_flow_obeys_its_symmetries():
    flow = Flow(n=64, dtype=torch.float64)
    velocity = flow.velocity(eddies(flow, 1))

    def later(v: torch.Tensor) -> torch.Tensor:
        return flow.velocity(flow.step(flow.vorticity(v), 0.05))

    for change in (
        lambda v: kolmogorov.image(v, 1),
        lambda v: kolmogorov.image(v, 2),
        lambda v: kolmogorov.image(v, 8),
        lambda v: kolmogorov.image(v, 13),
        lambda v: v.roll(5, dims=-1),
    ):
        torch.testing.assert_close(later(change(velocity)), change(later(velocity)), rtol=0, atol=1e-12)


def test_vorticity_and_divergence_are_exact():
    y, x = points(64)
    velocity = torch.stack([(2 * x).sin() * (3 * y).cos(), (x + 4 * y).sin()])
    curl = (x + 4 * y).cos() + 3 * (2 * x).sin() * (3 * y).sin()
    spread = 2 * (2 * x).cos() * (3 * y).cos() + 4 * (x + 4 * y).cos()
    torch.testing.assert_close(kolmogorov.vorticity(velocity), curl, rtol=0, atol=1e-12)
    torch.testing.assert_close(kolmogorov.divergence(velocity), spread, rtol=0, atol=1e-12)
