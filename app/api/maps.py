"""What the page draws over the maps. Maps and observations themselves are files of the ensemble."""

import json
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api.problems import Problem

router = APIRouter(tags=["maps"])


@router.get("/coastlines.json")
def coast(
    bbox: Annotated[str, Query(description="west,south,east,north in degrees", examples=["-20,30,15,60"])],
) -> Response:
    """Coastlines within a box, as {"lines": [[[longitude, latitude], ...], ...]}."""
    try:
        west, south, east, north = (round(float(part), 2) for part in bbox.split(","))
        body = _coast_json(west, south, east, north)
    except ValueError:
        detail = "bbox is west,south,east,north in degrees, west < east <= west + 360, south < north"
        errors = [{"pointer": "query/bbox", "detail": detail}]
        raise Problem(422, "invalid-request", "Invalid request", detail, errors) from None
    return Response(body, media_type="application/json", headers={"Cache-Control": "public, max-age=86400"})


@lru_cache(maxsize=32)
def _coast_json(west: float, south: float, east: float, north: float) -> bytes:
    from workers.products.coastlines import coastlines

    return json.dumps({"lines": coastlines(west, south, east, north)}, separators=(",", ":")).encode()
