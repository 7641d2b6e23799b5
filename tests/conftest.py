"""What all tests share: the data beside the checkout, and deterministic property tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("serein", derandomize=True, deadline=None, max_examples=40, database=None)
settings.load_profile("serein")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data: SEREIN_TEST_DATA, or ../shared/data beside the checkout; skips where absent."""
    folder = Path(os.environ.get("SEREIN_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"needs the real data, which is not in {folder} (set SEREIN_TEST_DATA)")
    return folder
