"""Statuses of an appointment, the declared transitions, and the limits in time that bind patients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from booking.domain.time import local


class Status(StrEnum):
    """FHIR R4 appointment status, as far as clinics need it."""

    PENDING = "pending"  # requested; the time is held until somebody answers
    BOOKED = "booked"
    ARRIVED = "arrived"
    CHECKED_IN = "checked-in"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NOSHOW = "noshow"
    ENTERED_IN_ERROR = "entered-in-error"


S = Status
MAY: dict[Status, frozenset[Status]] = {
    S.PENDING: frozenset({S.BOOKED, S.CANCELLED, S.ENTERED_IN_ERROR}),
    S.BOOKED: frozenset({S.ARRIVED, S.CHECKED_IN, S.FULFILLED, S.CANCELLED, S.NOSHOW, S.ENTERED_IN_ERROR}),
    S.ARRIVED: frozenset({S.BOOKED, S.CHECKED_IN, S.FULFILLED, S.CANCELLED, S.NOSHOW, S.ENTERED_IN_ERROR}),
    S.CHECKED_IN: frozenset({S.ARRIVED, S.FULFILLED, S.CANCELLED, S.ENTERED_IN_ERROR}),
    S.FULFILLED: frozenset({S.CHECKED_IN, S.ENTERED_IN_ERROR}),
    S.NOSHOW: frozenset({S.BOOKED, S.ARRIVED, S.ENTERED_IN_ERROR}),
    S.CANCELLED: frozenset(),
    S.ENTERED_IN_ERROR: frozenset(),
}

# A visit in one of these is still to come: it counts against the patient's limit and may be moved or cancelled.
OPEN = frozenset({S.PENDING, S.BOOKED})

# A visit in one of these takes no time: it has no hold.
OVER = frozenset({S.CANCELLED, S.ENTERED_IN_ERROR})

# What is noted on the day of the visit. A step between these may be taken back for a while.
NOTED = frozenset({S.BOOKED, S.ARRIVED, S.CHECKED_IN, S.FULFILLED, S.NOSHOW})
TAKEN_BACK_FOR = timedelta(minutes=30)
# What practitioners may note themselves; all else is the desk's.
CLINICAL = frozenset({S.ARRIVED, S.CHECKED_IN, S.FULFILLED})
NEXT = {S.BOOKED: S.ARRIVED, S.ARRIVED: S.CHECKED_IN, S.CHECKED_IN: S.FULFILLED, S.NOSHOW: S.ARRIVED}
LATE_AFTER = timedelta(minutes=15)


# The mark of a visit that the clinic can't keep and whose patient was asked to choose another time.
ASKED = "asked"


class Why(StrEnum):
    """On whose account a visit was called off."""

    PATIENT = "patient"
    CLINIC = "clinic"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Step:
    """A recorded change of status; `back` is one that took another back."""

    old: Status | None  # None: it was made
    new: Status
    at: datetime
    back: bool = False


def may_note(role: str | None, new: Status) -> bool:
    """Whether somebody of this role may note this of a visit."""
    return new in CLINICAL or (new == Status.NOSHOW and role in ("owner", "front-desk"))


def is_due(new: Status, starts_at: datetime, zone: str, now: datetime) -> bool:
    """Whether it can be so yet: nobody arrives before the visit's local day, or stays away before its start."""
    if new == Status.NOSHOW:
        return starts_at <= now
    return local(starts_at, zone).date() <= local(now, zone).date()


def may_go_back_to(steps: Iterable[Step], now: datetime) -> Status | None:
    """The status before the last step that still stands, while that may be taken back; None otherwise.

    `steps` are all of the visit's, oldest first.
    """
    standing: list[Step] = []
    for step in steps:
        if step.back and standing:
            standing.pop()
        elif step.old != step.new:
            standing.append(step)
    if not standing:
        return None
    last = standing[-1]
    may = last.old in NOTED and last.new in NOTED and now - last.at <= TAKEN_BACK_FOR
    return last.old if may else None


def is_late(status: str, starts_at: datetime, ends_at: datetime, now: datetime) -> bool:
    """Whether the patient should have been here a quarter of an hour ago; said until as long after the end."""
    return status == Status.BOOKED and starts_at + LATE_AFTER <= now < ends_at + LATE_AFTER


def is_running_over(status: str, ends_at: datetime, now: datetime) -> bool:
    """Whether the visit goes on past its end."""
    return status == Status.CHECKED_IN and ends_at < now


def may_become(old: Status, new: Status) -> bool:
    """Whether the transition table has the step from `old` to `new`."""
    return new in MAY[old]


def starts_as(confirmation: str, *, new_patient: bool, by_desk: bool) -> Status:
    """The first status of a visit under the clinic's way of confirming: instant, request or request-new."""
    if by_desk or confirmation == "instant" or (confirmation == "request-new" and not new_patient):
        return Status.BOOKED
    return Status.PENDING


def lapses_at(now: datetime, starts_at: datetime, *, request_lapses: int, minimum_notice: int) -> datetime:
    """When an unanswered request ends: after `request_lapses` minutes, never later than the start less the notice.

    A request made later than that (by the desk's leave) lapses at the start.
    """
    latest = starts_at - timedelta(minutes=minimum_notice)
    return min(now + timedelta(minutes=request_lapses), latest if latest > now else starts_at)


def changeable_until(starts_at: datetime, cancellation_notice: int) -> datetime:
    """The last instant at which a patient may move or cancel the visit online; `cancellation_notice` in minutes."""
    return starts_at - timedelta(minutes=cancellation_notice)
