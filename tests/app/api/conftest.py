"""A client of the running service of tests/app/conftest.py."""

import os
from collections.abc import Iterator

import httpx
import pytest

from workers.services import Services


@pytest.fixture
def http(services: Services) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=os.environ["SEREIN_URL"], timeout=30) as client:
        yield client
