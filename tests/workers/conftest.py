"""Real services on a database, a store and a broker in a temporary folder, with short leases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.services import Services, open_services
from workers.settings import Settings


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    opened = open_services(Settings(home=tmp_path / "home", lease_seconds=0.6, ring_seconds=5))
    yield opened
    opened.close()
