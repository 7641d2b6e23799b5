"""`serein plan`: what training needs, as a table or as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.training.config import CONFIGS

Serein = Callable[..., Any]


def test_a_table_and_the_same_as_json(serein: Serein, tmp_path: Path):
    small = (CONFIGS / "earth-t21.yaml").read_text().replace("blocks: 7", "blocks: 1")
    (tmp_path / "small.yaml").write_text(small)
    table, data = serein("plan", tmp_path / "small.yaml"), serein("plan", tmp_path / "small.yaml", "--json")
    assert table.code == data.code == 0
    found = json.loads(data.out)
    stages = [stage["name"] for stage in found["stages"]]
    assert stages == ["autoencoder", "denoiser", "denoiser", "forecaster"]
    assert found["latent"] == [128, 8, 16] and found["stages"][1]["tokens"] == 512
    assert "128 x 8 x 16, 4.2 times fewer numbers" in table.out
    assert f"{found['stages'][0]['parameters'] / 1e6:.3g} M" in table.out


def test_a_prior_of_a_region_has_no_plan(serein: Serein):
    said = serein("plan", "europe")
    assert said.code == 1 and "not of the whole Earth" in said.err
