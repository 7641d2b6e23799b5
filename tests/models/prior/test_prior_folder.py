"""A prior on disk, and the ones that ship with Serein."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from models.prior.autoencoder import Autoencoder
from models.prior.card import list_priors, load_card
from models.prior.prior import load_prior
from models.testing.toy import gaussian_prior, save_gaussian_prior
from models.training.data import open_states


def test_a_prior_survives_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_gaussian_prior(tmp_path)
    monkeypatch.setenv("SEREIN_PRIORS", str(tmp_path))
    again, original = load_prior(load_card("gaussian")), gaussian_prior()
    z = torch.randn(2, *original.climatology.shape, generator=torch.Generator().manual_seed(0))
    level, season = torch.tensor([1.0, 2.0]), torch.zeros(2, 2)
    assert torch.equal(again.decode(z), original.decode(z))
    assert torch.allclose(again.denoiser(z, level, season), original.denoiser(z, level, season), atol=1e-2)
    assert again.card.to_dict() == dataclasses.replace(original.card, folder=tmp_path / "gaussian").to_dict()


def test_an_unknown_prior_is_refused_with_those_that_exist() -> None:
    with pytest.raises(LookupError, match="europe"):
        load_card("atlantis")


@pytest.mark.parametrize("name", ["europe", "earth-t21"])
@pytest.mark.parametrize("width", [{"width": 8}, {"wide": 8}], ids=["another size", "another version"])
def test_weights_of_another_card_are_refused_by_name(name: str, width: dict[str, int]) -> None:
    card = load_card(name)
    denoiser = {k: v for k, v in card.architecture["denoiser"].items() if k != "width"} | width
    with pytest.raises(ValueError, match=r"weights\.safetensors: names and shapes of these weights are not"):
        load_prior(dataclasses.replace(card, architecture={**card.architecture, "denoiser": denoiser}))


def test_the_linear_code_is_the_principal_components_of_patches() -> None:
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(5, 8, generator=generator)
    patches = torch.randn(500, 2, 3, 5, generator=generator) @ basis  # rank 5 of 8
    x = torch.pixel_shuffle(patches.movedim(-1, 1), 2)
    autoencoder = Autoencoder(2, (4, 6), 2, 5, 8, 1, periodic=False)
    autoencoder.start_from_patches(x)
    with torch.no_grad():
        assert torch.allclose(autoencoder.decode(autoencoder.encode(x)), x, atol=1e-4)


def test_on_a_global_grid_the_code_does_not_know_where_the_seam_is() -> None:
    autoencoder = Autoencoder(1, (8, 16), 2, 3, 8, 2, periodic=True)
    for p in autoencoder.parameters():
        torch.nn.init.normal_(p, std=0.3, generator=torch.Generator().manual_seed(0))
    x = torch.randn(1, 1, 8, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        rolled = autoencoder.encode(x.roll(4, -1)).roll(-2, -1)
        assert torch.allclose(rolled, autoencoder.encode(x), atol=1e-5)


@pytest.mark.parametrize("card", list_priors(), ids=lambda card: card.name)
def test_bundled_priors_name_their_data_and_load(card) -> None:  # type: ignore[no-untyped-def]
    assert {"source", "licence", "attribution", "years"} <= set(card.data)
    assert set(card.representativeness) == set(card.state.names)
    prior = load_prior(card)
    assert sum(p.numel() for p in prior.denoiser.parameters()) > 0
    assert card.weights_path.stat().st_size < (40e6 if card.architecture.get("kind") == "sphere" else 10e6)


def test_europe_reconstructs_unseen_states_within_its_promise(shared_data: Path) -> None:
    prior = load_prior(load_card("europe"))
    states = open_states(
        shared_data / "era_interim_europe" / "era_interim_europe_daily.nc", prior.card.state.names
    )
    test = torch.from_numpy(states.values[states.of_years([2010])])
    with torch.no_grad():
        error = (prior.decode(prior.encode(test)) - test).double().numpy()
    rms = np.sqrt((error**2).mean(axis=(0, 2, 3)))
    assert rms[0] < 30 and rms[1] < 4 * 9.80665 and rms[2] < 0.3  # 0.3 hPa, 4 gpm, 0.3 K
