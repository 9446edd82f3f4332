"""What somebody asks for, parsed from an address or a form: which service, with whom, where, new here or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TypeVar

from flask import g

from booking.domain.appointment import Status, starts_as
from booking.domain.availability import (
    Location,
    NewPatients,
    Plan,
    Practitioner,
    Room,
    Service,
    Slot,
    Wish,
    stages_for,
)
from booking.domain.errors import Invalid, NotFound
from booking.domain.time import TICK_MINUTES, local
from booking.store import brochure, diary
from booking.store.brochure import Brochure
from booking.store.practitioner import Service as ServiceRow
from booking.web.patient import shown

N = TypeVar("N", Service, Practitioner, Location, Room)


@dataclass(frozen=True)
class Ask:
    """A wish with the plan's values in it. `new` is None while nobody has said."""

    plan: Plan
    service: Service
    row: ServiceRow  # its texts
    practitioner: Practitioner | None = None
    location: Location | None = None
    new: bool | None = None

    @property
    def wish(self) -> Wish:
        return Wish(
            self.service.id,
            new=bool(self.new),
            practitioner=self.practitioner.id if self.practitioner else None,
            location=self.location.id if self.location else None,
        )

    @property
    def zone(self) -> str:
        """The zone that its days are counted in: its location's, the first location's without one."""
        place = self.location or next(iter(self.plan.locations.values()), None)
        return place.zone if place else "UTC"

    @property
    def today(self) -> date:
        return local(g.now, self.zone).date()

    @property
    def minutes(self) -> int:
        """How long the patient stays."""
        return sum(stage.minutes for stage in stages_for(self.service, bool(self.new)) if stage.patient)

    @property
    def is_request(self) -> bool:
        """Whether the desk has to confirm such a visit."""
        return starts_as(g.clinic.confirmation, new_patient=bool(self.new), by_desk=False) is Status.PENDING

    @property
    def practitioners(self) -> list[Practitioner]:
        """Everybody who gives the service."""
        return [person for person in self.plan.practitioners.values() if self.service.id in person.services]

    @cached_property
    def short_names(self) -> dict[int, str]:
        """First names by practitioner, where that is enough to tell them apart; else the whole name."""
        return shown.short_names(self.plan.practitioners.values())

    @property
    def needs_answer(self) -> bool:
        """Whether new and returning patients are treated differently."""
        return matters(self.service)

    def narrowing(self) -> dict[str, str]:
        """With whom and where, as the arguments of an address."""
        chosen = {"practitioner": self.practitioner, "location": self.location}
        return {name: entry.slug for name, entry in chosen.items() if entry}

    def arguments(self) -> dict[str, str]:
        """The same wish as the arguments of an address below its service's."""
        is_said = self.new is not None and self.needs_answer
        return self.narrowing() | ({"new": str(int(bool(self.new)))} if is_said else {})


def plan() -> Plan:
    """The plan of the clinic at hand."""
    return diary.plan(g.clinic.id, g.clinic.revision)


def texts() -> Brochure:
    """What the clinic at hand shows of itself."""
    return brochure.read(g.clinic.id, g.clinic.revision)


def read(service: str, values: Mapping[str, str]) -> Ask:
    """The wish in an address or a form. Raises NotFound for names that the clinic doesn't have."""
    found = plan()
    wanted = named(found.services, service)
    if wanted is None:
        raise NotFound
    return Ask(
        found,
        wanted,
        texts().service(wanted.id),
        named(found.practitioners, values.get("practitioner", "")),
        named(found.locations, values.get("location", "")),
        new_or_not(wanted, values),
    )


def new_or_not(service: Service, values: Mapping[str, str]) -> bool | None:
    """Whether the patient is new here; None if it matters and wasn't said."""
    if service.new_patients is NewPatients.ONLY:
        return True
    if not matters(service):
        return False
    return said(values)


def said(values: Mapping[str, str]) -> bool | None:
    """What the address or form says about being new; None if nothing."""
    return {"0": False, "1": True}.get(values.get("new", ""))


def matters(service: Service) -> bool:
    """Whether new and returning patients are treated differently for this service."""
    if service.new_patients is NewPatients.ONLY:
        return False
    return service.new_patients is not NewPatients.SAME or g.clinic.confirmation == "request-new"


def instant(text: str) -> datetime:
    """The instant of an ISO text with an offset, in UTC. Raises Invalid for anything else."""
    try:
        # A plus that nobody encoded comes as a space.
        found = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        raise Invalid({"start": "instant"}) from None
    if found.tzinfo is None or not 2000 < found.year < 2200 or found.minute % TICK_MINUTES or found.second:
        raise Invalid({"start": "instant"})  # no time of ours looks like that
    return found.astimezone(UTC)


def day(text: str | None) -> date | None:
    """The date of an ISO text, None if there is none. Raises Invalid for a date that no calendar has."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid({"from": "date"}) from None


def slot_value(slot: Slot, who: Practitioner | None) -> str:
    """What the button of a time sends: its instant, and the practitioner if the button names one."""
    start = f"{slot.start:%Y-%m-%dT%H:%MZ}"
    return f"{start}/{who.slug}" if who else start


def named(entries: Mapping[int, N], slug: str) -> N | None:
    """The entry of that slug, None for an empty one."""
    if not slug:
        return None
    found = next((entry for entry in entries.values() if entry.slug == slug), None)
    if found is None:
        raise NotFound
    return found
