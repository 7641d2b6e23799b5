"""A plan says what a step would take; what it counts is what really happens."""

import dataclasses
import gc
import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from models.prior.sphere import SphereAutoencoder
from models.prior.trajectory import HEAD, TrajectoryTransformer
from models.state.channels import channel
from models.training.config import SphereConfig, load_config
from models.training.footprint import Footprint, footprint
from models.training.plan import Plan, plan


def sphere(name: str) -> SphereConfig:
    config = load_config(name)
    assert isinstance(config, SphereConfig)
    return config


@pytest.fixture(scope="module")
def era5() -> Plan:
    return plan(sphere("era5-0p25"))


def test_the_networks_of_era5_are_made_on_the_meta_device():
    config = sphere("era5-0p25")
    a, d, (height, width) = config.autoencoder, config.denoiser, config.grid
    with torch.device("meta"):
        autoencoder = SphereAutoencoder(
            (len(config.channels), height, width), a.patch, a.latent, a.reach, a.width, a.blocks
        )
        _, h, w = autoencoder.latent_shape
        static = torch.zeros(2 * a.patch**2, h, w)
        network = TrajectoryTransformer(
            autoencoder.latent_shape, torch.zeros(h), static, d.width, d.blocks, d.box
        )
    assert all(p.is_meta for module in (autoencoder, network) for p in module.parameters())
    assert autoencoder.decode(autoencoder.encode(torch.empty(1, 71, 720, 1440, device="meta"))).shape == (
        1, 71, 720, 1440,
    )  # fmt: skip


def test_era5_is_71_channels_hourly_in_windows_of_a_day(era5: Plan):
    config = sphere("era5-0p25")
    found = [channel(name) for name in config.channels]
    assert len({c.name for c in found}) == 71
    assert len([c for c in found if c.level]) == 5 * 13
    assert config.window * config.step_hours == 24
    assert era5.state == (71, 720, 1440) and era5.latent == (256, 90, 180)
    assert era5.stage("denoiser").tokens == 24 * 90 * 180


def test_a_step_of_era5_fits_an_accelerator_of_80_gb_if_activations_are_computed_again(era5: Plan):
    autoencoder, kept, again = era5.stages
    assert autoencoder.memory < 10e9 and again.memory < 80e9 < kept.memory
    assert 1.2 < again.flop / kept.flop < 1.4  # one more forward, of three
    tokens, width, blocks = kept.tokens * kept.batch, 1024, 16
    group = 24 * (10 * 10 + 9 * 18) / 2  # tokens that attend to each other
    products = 2 * 12 * width**2 + 4 * group * width
    assert kept.flop == pytest.approx(3 * blocks * tokens * products, rel=0.1)
    json.dumps(era5.to_dict())


def test_twice_as_many_at_once_are_the_same_step_in_more_memory():
    config = sphere("earth-t21")
    config = dataclasses.replace(config, denoiser=dataclasses.replace(config.denoiser, blocks=1))
    one, two = (plan(config, at_once) for at_once in (1, 2))
    for a, b in zip(one.stages, two.stages, strict=True):
        assert b.flop == pytest.approx(a.flop, rel=1e-2)  # what depends on place alone is computed once
        assert a.parameters == b.parameters
        assert a.memory < b.memory < 2 * a.memory


def test_columns_have_places_in_place_of_tokens():
    config = sphere("earth-t21")
    transformer = dataclasses.replace(config.denoiser, kind="transformer", fine=1)
    assert plan(config).stage("denoiser").tokens == 16 * 32
    assert plan(dataclasses.replace(config, denoiser=transformer)).stage("denoiser").tokens == 5 * 8 * 16


def counted(make: Callable[[], tuple[nn.Module, Any]]) -> Footprint:
    module, x = make()
    return footprint(lambda: module(x).square().mean())


def test_what_is_counted_without_values_is_what_is_counted_with_them():
    def network() -> tuple[nn.Module, torch.Tensor]:
        return nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 8)), torch.zeros(100, 32)

    gc.collect()
    real = counted(network)
    with FakeTensorMode():
        fake = counted(network)
    assert fake == real
    products = 2 * 100 * (32 * 64 + 64 * 8)
    assert real.flop == 3 * products - 2 * 100 * 32 * 64  # nobody asks for the gradient of the input
    assert real.peak > 2 * 100 * 64 * 3  # bfloat16 of what is kept


def test_attention_is_counted_without_its_weights():
    class Attend(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x)

    with FakeTensorMode():
        took = footprint(
            lambda: Attend()(torch.zeros(1, 1, 4096, HEAD, requires_grad=True).bfloat16()).float().sum()
        )
    assert took.peak < 2 * 4096**2  # bytes of the weights in bfloat16
    assert took.flop == (4 + 10) * 4096**2 * HEAD  # two products forward, five back
