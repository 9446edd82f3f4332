"""Slots as JSON, with the location's offset. Thousands are written at a time, so text is built, not objects."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from booking.domain.availability import Slot
from booking.domain.plan import Plan


@lru_cache(maxsize=32_768)
def local_text(instant: datetime, zone: str) -> str:
    """ISO 8601 with the offset that the zone has then."""
    return instant.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds")


def plain(slot: Slot, plan: Plan) -> dict[str, Any]:
    """One slot as a JSON object."""
    location = plan.locations[slot.location]
    return {
        "start": local_text(slot.start, location.zone),
        "end": local_text(slot.end, location.zone),
        "practitioner": plan.practitioners[slot.practitioner].slug,
        "location": location.slug,
    }


def text(slots: Iterable[Slot], plan: Plan) -> str:
    """Many slots as the text of a JSON array. Slugs and instants have nothing in them that JSON would escape."""
    zones = {id: location.zone for id, location in plan.locations.items()}
    tails = {
        (who, where): f'","practitioner":"{practitioner.slug}","location":"{location.slug}"}}'
        for who, practitioner in plan.practitioners.items()
        for where, location in plan.locations.items()
    }
    rows = [
        f'{{"start":"{local_text(slot.start, zones[slot.location])}","end":"'
        f"{local_text(slot.end, zones[slot.location])}{tails[slot.practitioner, slot.location]}"
        for slot in slots
    ]
    return f"[{','.join(rows)}]"
