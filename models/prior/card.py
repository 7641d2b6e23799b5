"""The card of a prior: what it is, what it was trained on, how good it is. Read without torch.

A prior is a folder with `card.json` and `weights.safetensors`. Bundled priors lie in `models/bundled`; more
folders can be named in the environment variable SEREIN_PRIORS (separated as in PATH).
"""

import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from models.state.spec import StateSpec

BUNDLED = Path(__file__).parent.parent / "bundled"


@dataclass(frozen=True, eq=False)
class PriorCard:
    """What a user, the API and quality control need to know of a prior.

    Attributes:
        name, title, description: for people.
        folder: where card and weights lie.
        state: channels, grid, step and normalisation.
        window: number of states sampled together.
        valid_hours: hours of the day (UTC) at which states exist.
        time_tolerance_minutes: observations this far from a state's time still count for it.
        max_station_elevation: per variable, metres above which surface reports are not used.
        observation_error: per variable (`msl`, `z`, `t`), SI; used where a report brings none.
        superob_correlation: assumed correlation of the errors of reports in one cell.
        representativeness: per channel, SI; error of the prior's own reconstruction, added to every report's.
        architecture: sizes of autoencoder, climatology and denoiser.
        presets: per preset name, the sampler's settings.
        network: the example network of `serein osse`: per channel, number of stations and error.
        data: training data, period, licence, attribution.
        scores: measured skill.
        maps: channels that are drawn, in this order; all if there are none.
        departures: of those, the ones drawn as departures from the season's mean, such as surface pressure,
            which by itself looks like the orography.
    """

    name: str
    title: str
    description: str
    folder: Path
    state: StateSpec
    window: int
    valid_hours: tuple[int, ...]
    time_tolerance_minutes: int
    max_station_elevation: dict[str, float]
    observation_error: dict[str, float]
    representativeness: dict[str, float]
    superob_correlation: float
    architecture: dict[str, Any]
    presets: dict[str, dict[str, Any]]
    network: dict[str, Any]
    data: dict[str, Any]
    scores: dict[str, Any] = field(default_factory=dict)
    maps: list[str] = field(default_factory=list)
    departures: list[str] = field(default_factory=list)

    @property
    def weights_path(self) -> Path:
        """The safetensors file."""
        return self.folder / "weights.safetensors"

    @property
    def has_forecaster(self) -> bool:
        """Has it learned what becomes of a state in a step? An ensemble can follow observations then."""
        own = self.architecture
        return bool(own.get("forecaster")) and self.state.step_hours == own["climatology"]["steps"][0]

    @cached_property
    def weights_sha256(self) -> str:
        """Digest of the weights: which prior exactly an ensemble came from."""
        return hashlib.sha256(self.weights_path.read_bytes()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """As in card.json."""
        plain = {k: v for k, v in self.__dict__.items() if k not in {"folder", "state", "weights_sha256"}}
        return {**plain, "valid_hours": list(self.valid_hours), "state": self.state.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any], folder: Path) -> "PriorCard":
        """From what `to_dict` wrote, for the prior in `folder`."""
        return cls(
            **{
                **data,
                "folder": folder,
                "state": StateSpec.from_dict(data["state"]),
                "valid_hours": tuple(data["valid_hours"]),
            }
        )


def read_card(folder: Path) -> PriorCard:
    """The card of the prior in `folder`."""
    return PriorCard.from_dict(json.loads((folder / "card.json").read_text()), folder)


def list_priors() -> list[PriorCard]:
    """The priors that can be used, by name; one of SEREIN_PRIORS hides a bundled one of the same name."""
    extra = [Path(p) for p in os.environ.get("SEREIN_PRIORS", "").split(os.pathsep) if p]
    found: dict[str, PriorCard] = {}
    for root in [*extra, BUNDLED]:
        for path in sorted(root.glob("*/card.json")):
            card = read_card(path.parent)
            found.setdefault(card.name, card)
    return [found[name] for name in sorted(found)]


def load_card(name: str) -> PriorCard:
    """The card of the prior called `name`.

    Raises:
        LookupError: there is none; the message lists those that exist.
    """
    cards = {card.name: card for card in list_priors()}
    if name not in cards:
        raise LookupError(f"no prior {name!r}: there is {', '.join(cards) or 'none'}")
    return cards[name]
