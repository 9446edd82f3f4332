"""One tree of refusals. They carry facts; words and HTTP statuses are chosen in `web/errors`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from booking.domain.availability import Reason, Slot


class BookingError(Exception):
    """Something that was asked for is refused, for a reason that the asker can be told."""


class NotFound(BookingError):
    """It does not exist, or belongs to another clinic: nobody is told which."""


class NotAllowed(BookingError):
    """The caller may not do this."""


class NotProven(BookingError):
    """A password, a code or a passkey is not the right one: nobody is told which part was wrong."""


class LastOwner(BookingError):
    """A clinic keeps at least one owner: this one can neither go nor become something else."""

    def __init__(self) -> None:
        super().__init__("a clinic keeps at least one owner")


class SlotTaken(BookingError):
    """The time was on offer and somebody else has it now; the nearest other times come along."""

    def __init__(self, starts_at: datetime, alternatives: Sequence[Slot] = ()) -> None:
        super().__init__(f"taken: {starts_at.isoformat()}")
        self.starts_at = starts_at
        self.alternatives = tuple(alternatives)


class NotOffered(BookingError):
    """The time is not on offer, for these reasons; the nearest other times come along."""

    def __init__(self, starts_at: datetime, reasons: Sequence[Reason], alternatives: Sequence[Slot] = ()) -> None:
        super().__init__(f"not offered: {starts_at.isoformat()} {[reason.code.value for reason in reasons]}")
        self.starts_at = starts_at
        self.reasons = tuple(reasons)
        self.alternatives = tuple(alternatives)


class TooLate(BookingError):
    """Past the point until which this may be changed online: the patient is asked to phone."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"too late: {until.isoformat()}")
        self.until = until


class TooManyVisits(BookingError):
    """The patient already has as many future visits as the clinic lets one person book online."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"too many visits: {limit}")
        self.limit = limit


class PatientBusy(BookingError):
    """The same patient has another visit at that time."""

    def __init__(self, starts_at: datetime) -> None:
        super().__init__(f"patient busy: {starts_at.isoformat()}")
        self.starts_at = starts_at


class WrongStatus(BookingError):
    """The visit is in a state from which this step is not possible (it was changed meanwhile)."""

    def __init__(self, status: str) -> None:
        super().__init__(f"wrong status: {status}")
        self.status = status


class PlaceTaken(BookingError):
    """Somebody else sits in that place of the room, or the room has no such place."""

    def __init__(self, place: int) -> None:
        super().__init__(f"place taken: {place}")
        self.place = place


class Changed(BookingError):
    """Somebody else changed the record since the caller looked at it; `version` is what it has now."""

    def __init__(self, version: int) -> None:
        super().__init__(f"changed: now version {version}")
        self.version = version


class KeyReused(BookingError):
    """An idempotency key came again with another request."""


class RateLimited(BookingError):
    """Too many tries; `retry_after` in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"rate limited: {retry_after} s")
        self.retry_after = retry_after


class Busy(BookingError):
    """The database stayed locked or kept aborting for too long: try again (never shown as 5xx)."""


class Invalid(BookingError):
    """A value is not acceptable: field name to a code that `web/errors` puts into words."""

    def __init__(self, faults: dict[str, str]) -> None:
        super().__init__(f"invalid: {sorted(faults)}")
        self.faults = faults
