"""Zones that strangers' calendars define themselves.

The icalendar library remembers such a zone by its name, for all calendars that the process reads from then on. But
everybody's "Customized Time Zone" is another.
"""

from __future__ import annotations

import hashlib
import re

from booking.domain.time import zone_info

MOST = 50  # definitions in one calendar

DEFINITION = re.compile(
    r"^BEGIN:VTIMEZONE[ \t]*\n(?:(?!BEGIN:VTIMEZONE|END:VTIMEZONE).*\n)*+END:VTIMEZONE", re.M | re.I
)
NAME = re.compile(r'^TZID:"?(.*?)"?[ \t]*$', re.M | re.I)


class TooMany(Exception):
    """The calendar defines more zones than anybody needs."""


def told_apart(text: str) -> str:
    """An iCalendar text, unfolded and with "\\n" line ends, whose own zones have names that tell what they are.

    Zones of names that the world knows stay: those are the world's, whatever the calendar says. Raises TooMany.
    """
    definitions = DEFINITION.findall(text)
    if len(definitions) > MOST:
        raise TooMany
    for definition in definitions:
        for name in NAME.findall(definition):
            if name and not is_known(name):
                own = hashlib.sha256(definition.encode()).hexdigest()
                text = re.sub(rf'(TZID[:=]"?){re.escape(name)}(?=[":;\s])', rf"\g<1>{own}", text, flags=re.I)
    return text


def is_known(name: str) -> bool:
    """Whether the world knows a zone of that name."""
    try:
        zone_info(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
