"""Feeds: calendars that other programs subscribe to by a secret address. Of whom they are, and how much they tell."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """Of what the visits in a feed are."""

    PRACTITIONER = "practitioner"
    LOCATION = "location"
    ROOM = "room"
    PATIENT = "patient"  # their own visits, told as in their invites


class Detail(StrEnum):
    """How much a feed tells of the patients. None tells why they come."""

    BUSY = "busy"
    INITIALS = "initials"
    NAMES = "names"


BACK, AHEAD = timedelta(days=30), timedelta(days=366)
CANCELLED_FOR = timedelta(days=30)  # so long a cancelled visit stays, marked: a calendar that looks rarely sees it


class Span(NamedTuple):
    """What is in a feed: visits that start in [since, until), cancelled ones only if they were since `cancelled`."""

    since: datetime
    until: datetime
    cancelled: datetime


def span(now: datetime) -> Span:
    """The span at an instant. It moves at midnight UTC, so that a feed is the same all day if no visit changes."""
    midnight = datetime.combine(now.date(), time(), now.tzinfo)
    return Span(midnight - BACK, midnight + AHEAD, midnight - CANCELLED_FOR)
