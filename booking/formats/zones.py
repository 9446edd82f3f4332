"""Zones that strangers' calendars define themselves.

The icalendar library remembers such a zone by its name, for all calendars that the process reads from then on. But
everybody's "Customized Time Zone" is another.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from icalendar import Component, Timezone

from booking.domain.time import zone_info

MOST = 50  # definitions in one calendar
PARTS = 400  # of one: summer and winter times

DEFINITION = re.compile(
    r"^BEGIN:VTIMEZONE[ \t]*\n(?:(?!BEGIN:VTIMEZONE|END:VTIMEZONE).*\n)*+END:VTIMEZONE[ \t]*\n?", re.M | re.I
)
NAME = re.compile(r"^(TZID(?:;[^:\n]*)?:)(.*?)[ \t]*$", re.M | re.I)
USE = re.compile(r';TZID=(?:"([^"\n]*)"|([^":;,\n]*))', re.I)


class TooMany(Exception):
    """The calendar defines more zones than anybody needs."""


def told_apart(text: str) -> str:
    """An iCalendar text, unfolded and with "\\n" line ends, whose own zones have names that tell what they are.

    Zones of names that the world knows stay: those are the world's, whatever the calendar says. Definitions that make
    no sense are left out. Raises TooMany.
    """
    if len(DEFINITION.findall(text)) > MOST:
        raise TooMany
    own: dict[str, str] = {}

    def defined(found: re.Match[str]) -> str:
        definition = found.group()
        named = NAME.search(definition)
        name = re.sub(r"\\([\\,;])", r"\1", named[2]).strip('"') if named else ""
        if is_known(name):
            return definition
        digest = hashlib.sha256(definition.encode()).hexdigest()
        definition = NAME.sub(rf"\g<1>{digest}", definition)  # before anything remembers it
        if not name or not _makes_sense(definition):
            return ""
        own[name] = digest
        return definition

    def used(found: re.Match[str]) -> str:
        name = found[1] if found[1] is not None else found[2]
        return f";TZID={own[name]}" if name in own else found.group()

    text = DEFINITION.sub(defined, text)
    return USE.sub(used, text) if own else text


def is_known(name: str) -> bool:
    """Whether the world knows a zone of that name."""
    try:
        zone_info(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _makes_sense(definition: str) -> bool:
    """Whether it can be worked out, and quickly: clocks change by rules of the year or at given times."""
    try:
        zone = Timezone.from_ical(definition)
        if not isinstance(zone, Timezone) or len(zone.subcomponents) > PARTS:
            return False
        rules = [rule for part in zone.subcomponents for rule in _rules(part)]
        if any(rule.get("FREQ") != ["YEARLY"] or {"BYHOUR", "BYMINUTE", "BYSECOND"} & rule.keys() for rule in rules):
            return False
        zone.to_tz(lookup_tzid=False)
    except Exception:  # whatever a stranger's definition does to the library
        return False
    return True


def _rules(part: Component) -> list[Any]:
    found = part.get("RRULE", [])
    return found if isinstance(found, list) else [found]
