"""What a training run is made of: one small YAML file, read strictly."""

from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class AutoencoderConfig:
    """Size and training of the autoencoder (see `models.prior.autoencoder`)."""

    patch: int
    latent: int
    width: int
    blocks: int
    steps: int
    batch: int
    learning_rate: float


@dataclass(frozen=True)
class ClimatologyConfig:
    """Number of covariance modes."""

    rank: int


@dataclass(frozen=True)
class DenoiserConfig:
    """Size and training of the denoiser; `sigma` is the range of noise levels seen."""

    width: int
    blocks: int
    heads: int
    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    ema: float
    sigma: tuple[float, float]


@dataclass(frozen=True)
class TrainingConfig:
    """One prior to train."""

    name: str
    title: str
    description: str
    channels: list[str]
    step_hours: int
    valid_hours: list[int]
    window: int
    years: dict[str, list[int]]
    autoencoder: AutoencoderConfig
    climatology: ClimatologyConfig
    denoiser: DenoiserConfig
    card: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SphereAutoencoderConfig:
    """Size and training of the autoencoder on the sphere (see `models.prior.sphere`).

    `noise` is added to the latents in training; `start` and `validation` are numbers of states.
    """

    patch: int
    latent: int
    reach: int
    width: int
    blocks: int
    steps: int
    batch: int
    learning_rate: float
    noise: float
    start: int
    validation: int


@dataclass(frozen=True)
class LaggedConfig:
    """Numbers of modes of a state and of a window (see `models.prior.lagged`)."""

    modes: int
    rank: int


@dataclass(frozen=True)
class TrajectoryConfig:
    """Size and training of the denoiser.

    `kind` is transformer (`models.prior.trajectory`) or columns (`models.prior.columns`); `sigma` the range
    of noise levels seen; `validation` a number of windows; `box` the side of a group of columns that attend
    to each other, 0 for all, in a transformer; `fine` places along each side of a latent column, in
    columns. `muon`: matrices are learned by Muon instead of AdamW.

    Raises:
        ValueError: there is no such kind, or it has not what is asked of it.
    """

    width: int
    blocks: int
    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    ema: float
    sigma: tuple[float, float]
    validation: int
    box: int = 0
    kind: str = "transformer"
    fine: int = 1
    muon: bool = False

    def __post_init__(self) -> None:
        if self.kind not in ("transformer", "columns"):
            raise ValueError(f"denoiser: kind is transformer or columns, not {self.kind!r}")
        if self.kind == "columns" and self.box:
            raise ValueError("denoiser: columns have no attention, so no box")
        if self.kind == "transformer" and self.fine > 1:
            raise ValueError("denoiser: `fine` is of columns, not of a transformer")


@dataclass(frozen=True)
class ForecasterConfig:
    """Size and training of the forecaster (see `models.prior.forecaster`).

    `words` are what a place says in a block; `own` the most steps that the forecaster itself has taken from a
    state before it is taught the next; `moved` the share of batches from states that a part of a draw of the
    Climatology has moved; `validation` is a number of states. The area means of `constant` channels are the
    same at all times, and `diagnosed` ones follow from their column (`models.prior.laws`).

    Raises:
        ValueError: `moved` is no share.
    """

    width: int
    blocks: int
    steps: int
    batch: int
    learning_rate: float
    own: int
    validation: int
    words: int = 48
    moved: float = 0.0
    constant: list[str] = field(default_factory=list)
    diagnosed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not 0 <= self.moved <= 1:
            raise ValueError(f"forecaster: moved is a share of batches, from 0 to 1, not {self.moved}")


@dataclass(frozen=True)
class SphereConfig:
    """A prior of the whole Earth to train.

    `steps` are the hours between states that its windows may have; `grid` the points along latitude and
    longitude that it is planned for; `copy` whether a standardised copy of the states is kept, or they are
    read from the source each time.

    Raises:
        ValueError: a step is no multiple of the hours between states, years are missing or, of the training,
            not in a row, or windows are too short for a forecaster.
    """

    name: str
    title: str
    description: str
    channels: list[str]
    step_hours: int
    steps: list[int]
    valid_hours: list[int]
    window: int
    years: dict[str, list[int]]
    autoencoder: SphereAutoencoderConfig
    climatology: LaggedConfig
    denoiser: TrajectoryConfig
    grid: tuple[int, int]
    forecaster: ForecasterConfig | None = None
    copy: bool = True
    card: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks what would go wrong only hours later."""
        hours = self.step_hours
        if not self.steps or self.steps[0] != hours or any(step % hours for step in self.steps):
            raise ValueError(f"steps: {self.steps} have to be multiples of {hours}, and begin with it")
        if missing := [name for name in ("train", "validate", "test") if not self.years.get(name)]:
            raise ValueError(f"years: none for {', '.join(missing)}")
        train = self.years["train"]
        if train != list(range(train[0], train[0] + len(train))):
            raise ValueError(f"years: {train} to train on do not follow each other")
        if self.forecaster and self.window < 3:
            raise ValueError(f"window: {self.window}, but how long a forecaster's errors last takes 3 states")


def load_config(name: str | Path) -> TrainingConfig | SphereConfig:
    """The configuration in a YAML file, or the bundled one called `name`; `kind: sphere` is a `SphereConfig`.

    Raises:
        ValueError: the file does not exist, or a key is missing, unknown or of the wrong kind.
    """
    path = Path(name) if Path(name).suffix else CONFIGS / f"{name}.yaml"
    if not path.exists():
        bundled = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.yaml")))
        raise ValueError(f"no configuration {str(name)!r}: give a YAML file or one of {bundled}")
    data = yaml.safe_load(path.read_text())
    if not isinstance(data, dict):
        raise ValueError(f"{path}: expected a mapping of settings")
    if (kind := data.pop("kind", "region")) not in KINDS:
        raise ValueError(f"{path}: no kind {kind!r}; there is {', '.join(KINDS)}")
    whole, parts = KINDS[kind]
    for key, cls in parts.items():
        if key in data:
            data[key] = _strict(cls, data[key], f"{path}: {key}")
    return _strict(whole, data, str(path))


KINDS: dict[str, tuple[type, dict[str, type]]] = {
    "region": (
        TrainingConfig,
        {"autoencoder": AutoencoderConfig, "climatology": ClimatologyConfig, "denoiser": DenoiserConfig},
    ),
    "sphere": (
        SphereConfig,
        {
            "autoencoder": SphereAutoencoderConfig,
            "climatology": LaggedConfig,
            "denoiser": TrajectoryConfig,
            "forecaster": ForecasterConfig,
        },
    ),
}


T = TypeVar("T")


def _strict(cls: type[T], data: dict[str, Any], where: str) -> T:
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    required = {f.name for f in fields(cls) if f.default is f.default_factory is MISSING}  # type: ignore[arg-type]
    if unknown := set(data) - known:
        raise ValueError(f"{where}: unknown {sorted(unknown)}; known are {sorted(known)}")
    if missing := required - set(data):
        raise ValueError(f"{where}: missing {sorted(missing)}")
    return cls(**data)
