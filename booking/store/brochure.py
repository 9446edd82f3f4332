"""What a clinic shows of itself: its services, practitioners and locations with their texts, kept while they stand.

The process keeps them under the clinic's revision, as it keeps the plan (`diary`), since every page prints them.
The rows are detached: they are only for reading.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from booking.domain.errors import NotFound
from booking.store import clinic, practitioner
from booking.store.base import db
from booking.store.clinic import Location
from booking.store.practitioner import Actor, Service


@dataclass(frozen=True, slots=True)
class Brochure:
    """The live entries of a clinic at one revision, in the file's order."""

    revision: int
    services: tuple[Service, ...]
    practitioners: tuple[Actor, ...]
    locations: tuple[Location, ...]

    def service(self, id: int) -> Service:
        """One service by its id. Raises NotFound."""
        found = next((row for row in self.services if row.id == id), None)
        if found is None:
            raise NotFound
        return found


def read(clinic_id: int, revision: int) -> Brochure:
    """The brochure of a clinic whose settings are at this revision."""
    cache: dict[int, Brochure] = current_app.extensions.setdefault("booking-brochure", {})
    known = cache.get(clinic_id)
    if known is None or known.revision != revision:
        known = cache[clinic_id] = Brochure(
            revision,
            tuple(practitioner.services(clinic_id)),
            tuple(practitioner.actors(clinic_id, "practitioner")),
            tuple(clinic.locations(clinic_id)),
        )
        for row in (*known.services, *known.practitioners, *known.locations):
            db.session.expunge(row)
    return known
