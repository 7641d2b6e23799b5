"""What an analysis is asked for: checked here, before there is a job, against the prior and the batches."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from app.api.priors import the_card
from app.api.problems import Problem
from models.observations.variables import VARIABLES
from models.prior.card import PriorCard
from workers.database.batch_book import BatchBook

FEWEST = 128  # members of an ensemble that follows: fewer know too little of how far they are off
YEARS = range(1850, 2262)
"""There are no observations before, and nanoseconds since 1970 end after."""


def _utc(time: datetime) -> datetime:
    if time.year not in YEARS:
        raise ValueError(f"the year must lie between {YEARS[0]} and {YEARS[-1]}")
    return time.astimezone(UTC)


def _enough(following: int) -> int:
    if 0 < following < FEWEST:
        raise ValueError(f"of fewer than {FEWEST} members no ensemble can follow; 0 is for none")
    return following


Time = Annotated[AwareDatetime, AfterValidator(_utc)]
Word = Annotated[str, Field(max_length=128)]  # text that has a length, as half a surrogate pair has not


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Span(_Strict):
    start: Time
    end: Time

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end < self.start:
            raise ValueError("end lies before start")
        return self


class Window(_Span):
    """First and last state, both included, at times the prior has states for."""


class Query(_Span):
    """Observations by time, place and kind, out of all batches there are."""

    bbox: tuple[float, float, float, float] | None = Field(
        default=None, description="west, south, east, north; west > east crosses the date line"
    )
    variables: list[Word] | None = Field(default=None, min_length=1, max_length=100)
    kinds: list[Word] | None = Field(default=None, min_length=1, max_length=100)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.bbox is not None:
            west, south, east, north = self.bbox
            if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
                raise ValueError("bbox is west, south, east, north in degrees, -180 to 180 and -90 to 90")
        if unknown := sorted(set(self.variables or ()) - set(VARIABLES)):
            raise ValueError(f"no variable {', '.join(unknown)}: there is {', '.join(VARIABLES)}")
        return self


class Observations(_Strict):
    """Which observations: named batches, or a query over all of them; neither means none."""

    batches: list[Word] | None = Field(default=None, max_length=1000)
    query: Query | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.batches and self.query:
            raise ValueError("name batches or give a query, not both")
        return self


class Inputs(_Strict):
    """The inputs of an analysis."""

    prior: str = Field(max_length=100, examples=["europe"])
    window: Window
    observations: Observations = Observations()
    members: int = Field(
        default=32,
        ge=1,
        le=1024,
        strict=True,
        description="in mirrored pairs; fewer than three are not verified",
    )
    preset: Literal["fast", "balanced", "careful"] = "balanced"
    likelihood: Literal["gaussian", "huber", "varqc"] = Field(
        default="gaussian", description="huber and varqc believe reports less that do not fit the others"
    )
    following: Annotated[int, AfterValidator(_enough)] = Field(
        default=0,
        ge=0,
        le=1024,
        strict=True,
        description=(
            f"{FEWEST} or more: members of an ensemble that follows the same observations with the prior's "
            "forecaster; those that are sampled are moved to the mean of both. 0: none"
        ),
    )
    seed: int = Field(default=0, ge=0, lt=2**63, strict=True)
    withheld: float = Field(
        default=0.3, ge=0, le=0.9, strict=True, description="share of stations kept back to verify with"
    )
    stations: dict[Word, Annotated[int, Field(ge=0, strict=True)]] = Field(
        default_factory=dict,
        description="at most so many stations of a kind, for experiments with thin networks",
    )


class Execution(_Strict):
    """The body of an execution request (OGC API - Processes)."""

    inputs: Inputs


def check(inputs: Inputs, batches: BatchBook) -> dict[str, Any]:
    """The request as it is stored with the job.

    Raises:
        Problem: no such prior, a window it cannot serve, or batches that do not exist.
    """
    card = the_card(inputs.prior)
    errors = _window_errors(inputs.window, card)
    if card.presets and inputs.preset not in card.presets:
        detail = f"the prior {card.name} has {', '.join(card.presets)}"
        errors.append({"pointer": "#/inputs/preset", "detail": detail})
    if inputs.following and not card.has_forecaster:
        detail = f"the prior {card.name} has no forecaster that could carry an ensemble: leave following out"
        errors.append({"pointer": "#/inputs/following", "detail": detail})
    if errors:
        detail = "; ".join(e["detail"] for e in errors)
        raise Problem(422, "invalid-request", "This prior cannot serve the request", detail, errors)
    if missing := batches.missing(inputs.observations.batches or []):
        errors = [
            {"pointer": f"#/inputs/observations/batches/{i}", "detail": f"no batch {name!r}"}
            for i, name in enumerate(inputs.observations.batches or [])
            if name in missing
        ]
        detail = f"there is no batch {', '.join(map(repr, missing[:10]))}: PUT it first"
        raise Problem(404, "not-found", "No such batch", detail, errors)
    return inputs.model_dump(mode="json")


def _window_errors(window: Window, card: PriorCard) -> list[dict[str, str]]:
    errors = []
    step = timedelta(hours=card.state.step_hours)
    hours = ", ".join(f"{h:02d}" for h in card.valid_hours)
    for name, time in (("start", window.start), ("end", window.end)):
        if time.hour not in card.valid_hours or time != time.replace(minute=0, second=0, microsecond=0):
            detail = f"the prior {card.name} has states at {hours} UTC only, not at {time:%Y-%m-%dT%H:%M:%SZ}"
            errors.append({"pointer": f"#/inputs/window/{name}", "detail": detail})
    if errors:
        return errors
    length = window.end - window.start
    if length % step:
        detail = (
            f"start and end lie {_hours(length)} apart, which is no multiple of the step of {_hours(step)} "
            f"of {card.name}"
        )
        errors.append({"pointer": "#/inputs/window/end", "detail": detail})
    elif (states := length // step + 1) > card.window:
        detail = (
            f"a window of {states} states is asked for; {card.name} has {card.window} at most "
            f"({_hours(step * (card.window - 1))} from start to end): split it into several analyses"
        )
        errors.append({"pointer": "#/inputs/window", "detail": detail})
    return errors


def _hours(length: timedelta) -> str:
    return f"{length / timedelta(hours=1):g} h"
