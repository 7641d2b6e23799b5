"""The forecaster of a prior of the Earth: trained from states as they are, its own, and moved ones."""

from pathlib import Path

import pytest
import torch

from models.prior.card import read_card
from models.prior.forecaster import lower
from models.prior.modes import parts
from models.prior.prior import Prior, load_prior
from models.training.accelerator import Machine
from models.training.config import SphereConfig, load_config
from models.training.sphere import train_sphere
from models.training.sphere_forecaster import Moves
from tests.models.training.test_sphere_training import CONFIG, dataset, fields

VALIDATED = 2920  # the first state of the year that it is not trained on
STEPS = 260  # a checkpoint is written after 250
FORECASTER = f"""
forecaster: {{width: 8, words: 4, blocks: 1, steps: {STEPS}, batch: 8, learning_rate: 1.0e-2, own: 1,
             moved: 0.2, validation: 8, constant: [sp]}}
"""


def config(folder: Path, forecaster: str = FORECASTER, window: int = 4) -> SphereConfig:
    folder.mkdir(exist_ok=True)
    (folder / "tiny.yaml").write_text(CONFIG.replace("window: 3", f"window: {window}") + forecaster)
    loaded = load_config(folder / "tiny.yaml")
    assert isinstance(loaded, SphereConfig)
    return loaded


def silent(*_: object) -> None:
    """Nobody is told."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "tiny.zarr"
    dataset().to_zarr(path)
    return path


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    said: list[str] = []
    train_sphere(config(folder), store, folder, lambda stage, row: said.append(stage))
    assert said == ["autoencoder", "denoiser", "forecaster", "forecaster"]
    return folder


@pytest.fixture(scope="module")
def prior(run: Path) -> Prior:
    return load_prior(read_card(run / "prior"))


def errors(prior: Prior, first: int, count: int) -> torch.Tensor:
    """What its steps from states in a row are wrong by, in latents, (count, K, h, w)."""
    states = fields(slice(first, first + count + 1))
    with torch.no_grad():
        after = [prior.ahead(x, (first - VALIDATED + k) / 1460) for k, x in enumerate(states[:-1].split(1))]
        return prior.encode(torch.cat(after)) - prior.encode(states[1:])


def test_it_knows_how_the_wave_goes_on(prior: Prior):
    off, z = errors(prior, 4000, 1)[0], prior.encode(fields(slice(4000, 4002)))
    assert off.norm() < 0.6 * (z[0] - z[1]).norm()
    inside = off.flatten() @ prior.climatology.directions.float().T
    known = lower(prior.need_forecaster().modes).norm(dim=1)
    assert 0.3 < (inside / known).square().mean().sqrt() < 3  # it knows by how much


def test_it_knows_how_long_its_errors_last(prior: Prior):
    """Two steps apart, which is a window's length but for the steps that begin and end it."""
    off = errors(prior, VALIDATED, 1456)
    found = [
        float((x[:-2] * x[2:]).sum() / (x[:-2].square() + x[2:].square()).sum() * 2)
        for x in parts(off.flatten(1), prior.climatology.directions.float())
    ]
    lasting = prior.need_forecaster().lasting
    assert lasting.square().tolist() == pytest.approx([max(r, 0) for r in found], abs=0.03)
    assert float(lasting.max()) > 0.1


def test_states_are_moved_by_up_to_a_quarter_of_what_the_climatology_draws(prior: Prior):
    moves = Moves(prior.autoencoder, prior.climatology)
    states = torch.zeros(400, 3, *prior.card.state.grid.shape)
    noise = moves.noise(len(states), torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(moves(states, 0 * noise), states)
        off = (prior.autoencoder.encode(moves(states, noise)) - prior.autoencoder.encode(states)).flatten(1)
    far = noise.flatten(1).square().mean(1).sqrt()
    assert far.max() < 0.3 and far.min() < 0.02
    there = prior.climatology.marginal(0).sum().sqrt()
    assert float((off.norm(dim=1) / far).square().mean().sqrt() / there) == pytest.approx(1, abs=0.15)


def test_its_forecasts_have_the_mass_of_air_that_all_states_had(prior: Prior):
    states = fields(slice(4000, 4002))
    states[1, 2] += 500
    with torch.no_grad():
        ahead = prior.ahead(states, 0.2)[:, 2]
    area = torch.from_numpy(prior.card.state.grid.area_weights)
    mass = ((fields(slice(0, VALIDATED))[:, 2] * area).mean((1, 2))).mean()
    torch.testing.assert_close((ahead * area).mean((1, 2)), mass.expand(2).double(), atol=5, rtol=0)


def test_what_it_draws_is_as_loud_in_fields_as_what_it_is_wrong_by(prior: Prior):
    states, forecaster = fields(slice(VALIDATED, 3049)), prior.need_forecaster()
    with torch.no_grad():
        after = torch.cat([prior.ahead(x, k / 1460) for k, x in enumerate(states[:-1].split(1))])
        code = prior.encode(after)
        white = torch.randn(len(code), 1, *code.shape[1:], generator=torch.Generator().manual_seed(5))
        error = forecaster.errors(white, prior.climatology.directions.float())[:, 0]
        off = (prior.decode(code + error) - prior.decode(code)) * forecaster.loudness[:, None, None]
    size = [x.double().square().mean((0, 2, 3)).sqrt() for x in (after - states[1:], off)]
    torch.testing.assert_close(size[1] / size[0], torch.ones(3).double(), rtol=0.2, atol=0)


def test_it_forecasts_six_hours_and_no_other_step(run: Path):
    card = read_card(run / "prior")
    assert load_prior(card, 6).forecaster is not None
    assert load_prior(card, 12).forecaster is None


def test_an_interrupted_run_goes_on_to_the_same_forecaster(store: Path, run: Path, tmp_path: Path):
    class PowerFails(Exception):
        pass

    def fail(stage: str, step: int) -> None:
        if stage == "forecaster" and step > 255:
            raise PowerFails

    with pytest.raises(PowerFails):
        train_sphere(config(tmp_path), store, tmp_path, silent, fail)
    resumed: list[int] = []

    def told(stage: str, step: int) -> None:
        if stage == "forecaster":
            resumed.append(step)

    found = train_sphere(config(tmp_path), store, tmp_path, silent, told).need_forecaster()
    assert resumed[0] == 251
    whole = train_sphere(config(run), store, run, silent).need_forecaster()
    for name, value in whole.state_dict().items():
        assert value.equal(found.state_dict()[name]), name


def test_a_batch_in_parts_teaches_the_same(store: Path, tmp_path: Path):
    """Noise that moves states is cut as the states are."""
    short = FORECASTER.replace(f"steps: {STEPS}", "steps: 8").replace("moved: 0.2", "moved: 1")
    found: list[dict[str, float]] = []
    for pieces in (1, 2):
        folder = tmp_path / str(pieces)
        train_sphere(
            config(folder, short),
            store,
            folder,
            lambda stage, row: found.append(row) if stage == "forecaster" else None,
            machine=Machine(accumulate=pieces),
        )
    one, two = found
    assert two["train"] == pytest.approx(one["train"], rel=1e-4)
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)


def test_a_batch_that_cannot_be_cut_is_refused_before_anything_is_trained(store: Path, tmp_path: Path):
    odd = FORECASTER.replace("batch: 8", "batch: 6")
    with pytest.raises(ValueError, match="a batch of 6 cannot be cut into 4"):
        train_sphere(config(tmp_path, odd), store, tmp_path / "run", silent, machine=Machine(accumulate=4))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("forecaster", "window", "words"),
    [
        (FORECASTER.replace("moved: 0.2", "moved: 20"), 4, "moved is a share of batches"),
        (FORECASTER, 2, "window: 2, but how long a forecaster's errors last takes 3 states"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, forecaster: str, window: int, words: str):
    with pytest.raises(ValueError, match=words):
        config(tmp_path, forecaster, window)
