"""With an untrained network and white states the prior is N(0, 1), and every posterior is known."""

import torch

from models.classical.assimilation import Network, assimilate
from models.classical.prior import ClassicalPrior, build, load, save
from models.posterior.sampler import Preset

ARCHITECTURE = {"latent_shape": [1, 1, 6], "width": 8, "blocks": 1, "kernel": [3, 3]}
PRESET = Preset(steps=12, sigma_start=3.0, sigma_stop=0.02, stochastic=True)


def white_prior() -> ClassicalPrior:
    c = torch.zeros(8, 1, 1, 6, dtype=torch.float64)
    c[0, 0, 0, 0] = 1
    return ClassicalPrior(
        0.1, torch.tensor([2.0]).double(), torch.tensor([3.0]).double(), c, build(ARCHITECTURE), ARCHITECTURE
    )


def network() -> Network:
    return Network(4, torch.tensor([0, 3]), torch.tensor([1, 5]), torch.tensor([0.5, 1.0]).double())


def test_each_window_is_conditioned_on_its_own_observations():
    values = torch.tensor([[1.0, -1.0], [0.0, 2.0]], dtype=torch.float64)
    drawn = assimilate(white_prior(), network(), values, PRESET, members=400, seed=0, batch=300)
    assert drawn.shape == (2, 400, 4, 1, 1, 6)
    seen = torch.stack([drawn[:, :, 0, 0, 0, 1], drawn[:, :, 3, 0, 0, 5]], dim=-1)
    error = network().error
    expected = values / (1 + error**2)
    torch.testing.assert_close(seen.mean(1).double(), expected, rtol=0, atol=0.12)
    spread = (error**2 / (1 + error**2)).sqrt().expand(2, 2)
    torch.testing.assert_close(seen.std(1).double(), spread, rtol=0.12, atol=0)
    unseen = drawn[:, :, 1]
    assert abs(unseen.mean()) < 0.1
    assert abs(unseen.std() - 1) < 0.1


def test_the_seed_decides():
    values = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    a, b, c = (assimilate(white_prior(), network(), values, PRESET, 4, seed) for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_a_prior_is_the_same_after_saving(tmp_path):
    prior = white_prior()
    save(prior, tmp_path / "white")
    again = load(tmp_path / "white")
    z = torch.randn(2, 4, 1, 1, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        again.restore(again.standardise(prior.restore(z))).float(), prior.restore(z).float()
    )
    assert again.spacing == prior.spacing
    torch.testing.assert_close(again.climatology(4).variances, prior.climatology(4).variances)
