"""The API does what its own description says: schemathesis sends what nobody would and compares."""

import os
import subprocess
import sys
from pathlib import Path

import httpx

from models.prior.card import PriorCard
from workers.services import Services

NOT_OURS = [
    # which windows, priors and files make sense is not a matter of schemas: they are refused with 404 or 422
    "positive_data_acceptance",
    # a dismissed job can still be looked at (OGC API - Processes)
    "use_after_free",
    "ensure_resource_availability",
]


def test_no_request_leads_to_an_answer_that_is_not_described(
    services: Services, prior: PriorCard, tmp_path: Path
) -> None:
    url = os.environ["SEREIN_URL"]
    window = {"start": "2019-02-17T12:00:00Z", "end": "2019-02-18T12:00:00Z"}
    body = {"inputs": {"prior": prior.name, "window": window}}
    assert httpx.post(f"{url}/processes/assimilate/execution", json=body).status_code == 201
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
            *("--exclude-checks", ",".join(NOT_OURS)),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "20"),
            *("--seed", "1", "--generation-deterministic"),
            *("--request-timeout", "20", "--continue-on-failure", "--warnings", "off", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    shown = "\n".join(line[:300] for line in (run.stdout + run.stderr).splitlines())
    assert run.returncode == 0, shown[-10_000:]
    assert "generated" in run.stdout
