"""A step is the same, to rounding, whether a process computes it whole, in parts, or shares it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.prior.card import read_card
from models.prior.prior import load_prior
from models.training.accelerator import Machine, normal
from models.training.processes import Processes, Share
from models.training.sphere import train_sphere
from tests.models.training.test_sphere_training import config, dataset

ROOT = Path(__file__).parents[3]


def losses(run: Path) -> list[float]:
    rows = [json.loads((run / stage / "log.jsonl").read_text()) for stage in ("autoencoder", "denoiser")]
    return [row[kind] for row in rows for kind in ("train", "loss")]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, a configuration, and the run of one process."""
    folder = tmp_path_factory.mktemp("alone")
    dataset().to_zarr(folder / "data.zarr")
    train_sphere(config(folder), folder / "data.zarr", folder / "run", lambda stage, row: None)
    return folder


def test_two_processes_learn_what_one_does(alone: Path, tmp_path: Path):
    torchrun = "torch.distributed.run --standalone --nproc-per-node 2 -m app.cli".split()
    train = ["train", alone / "tiny.yaml", "--data", alone / "data.zarr", "--out", tmp_path]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [sys.executable, "-m", *torchrun, *map(str, train)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("denoiser 6: training") == 1  # one of them speaks
    assert losses(tmp_path / "tiny") == pytest.approx(losses(alone / "run"), rel=1e-4)
    z, when = torch.randn(2, 3, 4, 4, 8, generator=torch.Generator().manual_seed(0)), torch.full((2, 3), 0.4)
    one, two = (
        load_prior(read_card(run / "prior")).denoiser(z, torch.tensor([0.5, 2.0]), when)
        for run in (alone / "run", tmp_path / "tiny")
    )
    torch.testing.assert_close(one, two, rtol=0, atol=1e-2)  # half precision in the file
    assert not torch.allclose(one, z, atol=0.3)


@pytest.mark.parametrize("machine", [Machine(accumulate=2), Machine(recompute=True)])
def test_a_batch_in_parts_and_activations_computed_again_teach_the_same(
    alone: Path, tmp_path: Path, machine: Machine
):
    train_sphere(
        config(tmp_path), alone / "data.zarr", tmp_path / "run", lambda stage, row: None, machine=machine
    )
    assert losses(tmp_path / "run") == pytest.approx(losses(alone / "run"), rel=1e-4)


def test_bfloat16_teaches_almost_the_same(alone: Path, tmp_path: Path):
    machine = Machine(bfloat16=True)
    train_sphere(
        config(tmp_path), alone / "data.zarr", tmp_path / "run", lambda stage, row: None, machine=machine
    )
    assert losses(tmp_path / "run") == pytest.approx(losses(alone / "run"), rel=0.02)
    pairs = list(zip(losses(tmp_path / "run"), losses(alone / "run"), strict=True))
    assert all(a != b for a, b in pairs)
    assert all(a != pytest.approx(b, rel=1e-4) for a, b in pairs[::2])  # of training: both stages are so


def test_shares_make_up_the_batch_and_their_noise_is_that_of_the_batch():
    machines = [Machine(accumulate=2, processes=Processes(rank, 3)) for rank in range(3)]
    rows, seeds = torch.arange(12), [7 * k for k in range(12)]
    shares = [share for machine in machines for share in machine.shares]
    assert torch.cat([share.take(rows) for share in shares]).sort().values.equal(rows)
    noise = normal(torch.empty(12, 4), seeds)
    for share in shares:
        assert normal(torch.empty(2, 4), share.take(torch.tensor(seeds)).tolist()).equal(share.take(noise))
    assert Share().take(rows).equal(rows)


def test_a_batch_that_cannot_be_cut_is_refused_before_data_are_read(tmp_path: Path):
    with pytest.raises(ValueError, match=r"a batch of 4 cannot be cut into 3 equal parts \(1 processes, acc"):
        train_sphere(
            config(tmp_path), "gone.zarr", tmp_path, lambda stage, row: None, machine=Machine(accumulate=3)
        )
