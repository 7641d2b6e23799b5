"""The priors an analysis can start from, described by their cards."""

from typing import Any

from fastapi import APIRouter

from app.api.problems import documented, not_found
from models.prior.card import PriorCard, list_priors, load_card

router = APIRouter(tags=["priors"])


@router.get("/priors")
def priors() -> dict[str, list[dict[str, Any]]]:
    """All priors."""
    return {"priors": [card.to_dict() for card in list_priors()]}


@router.get("/priors/{name}", responses=documented(404))
def prior(name: str) -> dict[str, Any]:
    """The card of one prior."""
    return the_card(name).to_dict()


def the_card(name: str) -> PriorCard:
    """The card called `name`; a problem if there is none."""
    try:
        return load_card(name)
    except LookupError:
        raise not_found("prior", name) from None
