"""Slots as JSON, with the location's offset. Thousands are written at a time, so text is built, not objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from booking.domain.availability import Slot
from booking.domain.plan import Plan
from booking.domain.time import instant_of


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


def text(starts: Mapping[tuple[int, int], Sequence[int]], stay: int, plan: Plan) -> str:
    """Visits of `stay` ticks by practitioner and location as the text of a JSON array, by start.

    Slugs and instants have nothing in them that JSON would escape.
    """
    rows: dict[int, list[str]] = {}
    for (who, where), ticks in starts.items():
        location = plan.locations[where]
        tail = f'"practitioner":"{plan.practitioners[who].slug}","location":"{location.slug}"}}'
        for tick in ticks:
            rows.setdefault(tick, []).append(_times(tick, stay, location.zone) + tail)
    return f"[{','.join([row for tick in sorted(rows) for row in rows[tick]])}]"


@lru_cache(maxsize=65_536)
def _times(tick: int, stay: int, zone: str) -> str:
    start, end = local_text(instant_of(tick), zone), local_text(instant_of(tick + stay), zone)
    return f'{{"start":"{start}","end":"{end}",'
