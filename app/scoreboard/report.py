"""What every scoreboard reports: criteria in words, with the value measured and whether it holds."""

import platform
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Criterion:
    """One claim: `value` measured, `target` in words, `holds` or not."""

    id: str
    value: float | None
    target: str
    holds: bool


def at_most(name: str, value: float, limit: float) -> Criterion:
    """The claim value <= limit."""
    return Criterion(name, value, f"<= {limit:g}", bool(value <= limit))


def within(name: str, value: float, middle: float, margin: float) -> Criterion:
    """The claim |value - middle| <= margin."""
    return Criterion(name, value, f"{middle:g} ± {margin:g}", bool(abs(value - middle) <= margin))


def report(name: str, criteria: list[Criterion], detail: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The JSON of `serein score NAME --json`."""
    return {
        "name": name,
        "criteria": [asdict(c) for c in criteria],
        "detail": detail,
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "seconds": round(seconds, 1),
    }
