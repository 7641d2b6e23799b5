"""Builds small BUFR messages with eccodes, so that BUFR is tested where the real data are absent."""

from collections.abc import Callable
from typing import Any

import eccodes
import pytest


def message(
    category: int,
    template: list[int],
    values: dict[str, Any],
    *,
    subsets: int = 1,
    compressed: bool = False,
    replications: list[int] | None = None,
    levels: int | None = None,
) -> bytes:
    handle = eccodes.codes_bufr_new_from_samples("BUFR4")
    try:
        eccodes.codes_set(handle, "masterTablesVersionNumber", 31)
        eccodes.codes_set(handle, "dataCategory", category)
        eccodes.codes_set(handle, "numberOfSubsets", subsets)
        eccodes.codes_set(handle, "compressedData", int(compressed))
        if replications is not None:
            eccodes.codes_set_array(handle, "inputDelayedDescriptorReplicationFactor", replications)
        if levels is not None:
            eccodes.codes_set_array(handle, "inputExtendedDelayedDescriptorReplicationFactor", [levels])
        eccodes.codes_set_array(handle, "unexpandedDescriptors", template)
        for key, value in values.items():
            put = eccodes.codes_set_array if isinstance(value, list) else eccodes.codes_set
            put(handle, key, value)
        eccodes.codes_set(handle, "pack", 1)
        return eccodes.codes_get_message(handle)
    finally:
        eccodes.codes_release(handle)


@pytest.fixture
def bufr_message() -> Callable[..., bytes]:
    return message
