"""What a reader of a certificate should be told in words."""

from typing import Any

FEW = 30
"""Below so many withheld observations a score is an anecdote."""

_COVERAGE_SLACK = 0.10
_CHI2 = (0.5, 2.0)


def notes(result: dict[str, Any]) -> list[str]:
    """Plain sentences about a certificate that is complete but for them; empty if nothing is remarkable."""
    said = []
    if result["withheld"] == 0:
        said.append("No observation was withheld: this ensemble is not verified.")
    if result["assimilated"] == 0:
        said.append("No observation was assimilated: this is the prior itself.")
    for name, part in result["channels"].items():
        said += _about_channel(name, part)
    return said


def _about_channel(name: str, part: dict[str, Any]) -> list[str]:
    said = []
    n, chi2 = part["n"], part["assimilated"]["chi2"]
    if 0 < n < FEW:
        said.append(f"{name}: only {n} withheld observation{'s' * (n > 1)}, read with care.")
    elif n == 0 and part["assimilated"]["n"]:
        said.append(f"{name}: assimilated but not verified, no observation was withheld.")
    if n >= FEW:
        for level in (50, 90):
            covered = part["scores"]["ensemble"][f"coverage{level}"]
            if abs(covered - level / 100) > _COVERAGE_SLACK:
                fault = "too confident" if covered < level / 100 else "too cautious"
                said.append(f"{name}: the {level} % interval covers {covered:.0%}: the ensemble is {fault}.")
    if chi2 is not None and chi2 > _CHI2[1]:
        said.append(
            f"{name}: assimilated observations are missed by more than their errors (chi2 {chi2:.1f})."
        )
    if chi2 is not None and chi2 < _CHI2[0]:
        said.append(
            f"{name}: assimilated observations are fitted closer than their errors (chi2 {chi2:.1f})."
        )
    return said
