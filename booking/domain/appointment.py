"""Statuses of an appointment, the declared transitions, and the limits in time that bind patients."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum


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
