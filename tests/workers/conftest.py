"""Real services on a database, a store and a broker in a temporary folder, with leases of two seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.services import Services, open_services
from workers.settings import Settings


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    # a machine with other work may stand still for a second of these
    opened = open_services(Settings(home=tmp_path / "home", lease_seconds=2, ring_seconds=5))
    yield opened
    opened.close()
