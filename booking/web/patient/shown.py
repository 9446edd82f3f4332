"""Values as the patient pages print them: words of days and times, names, prices. Templates only put them in place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime
from functools import lru_cache

from babel.dates import format_date
from flask import g
from flask_babel import gettext as _

from booking.domain.availability import Practitioner
from booking.domain.time import local
from booking.formats import words
from booking.web import i18n


def when(start: datetime, zone: str) -> str:
    """A day and a time as one would say it: "Today, 2:40 pm", "Tue, Nov 24, 9:20 am"."""
    days_ahead = (local(start, zone).date() - local(g.now, zone).date()).days
    clock = i18n.clock(start, zone)
    if days_ahead == 0:
        return _("Today, %(time)s", time=clock)
    if days_ahead == 1:
        return _("Tomorrow, %(time)s", time=clock)
    return day_and_time(start, zone)


def day_and_time(start: datetime, zone: str) -> str:
    """The same without today and tomorrow: what stays true in a mail or on paper."""
    return _("%(day)s, %(time)s", day=i18n.short_day(start, zone), time=i18n.clock(start, zone))


def deadline(until: datetime, zone: str) -> str:
    """Until when: the time alone on the same day, else with its day."""
    if local(until, zone).date() == local(g.now, zone).date():
        return i18n.clock(until, zone)
    return day_and_time(until, zone)


def weekday(on: date) -> str:
    """ "Tue" """
    return _formatted("ccc", on, i18n.locale())


def full_weekday(on: date) -> str:
    """ "Tuesday" """
    return _formatted("cccc", on, i18n.locale())


def month_day(on: date) -> str:
    """ "Nov 24" """
    return _formatted(_pattern("MMMd", i18n.locale()), on, i18n.locale())


def full_day(on: date) -> str:
    """ "Tuesday, November 24" """
    return _formatted(_pattern("MMMMEEEEd", i18n.locale()), on, i18n.locale())


def month(on: date) -> str:
    """ "Nov" """
    return _formatted("LLL", on, i18n.locale())


def local_day(instant: datetime, zone: str) -> date:
    """The date that a zone's calendar shows at an instant."""
    return local(instant, zone).date()


def language_tag() -> str:
    """The page's language for the browser: "en-GB" """
    return i18n.locale().replace("_", "-")


def zone_name(zone: str) -> str:
    """ "Chicago time" """
    return words.zone_name(zone, i18n.locale())


def short_names(people: Iterable[Practitioner]) -> dict[int, str]:
    """First names by practitioner, where that is enough to tell them apart; else the whole name."""
    names = {person.id: person.name for person in people}
    firsts = {id: _first(name) for id, name in names.items()}
    counts = list(firsts.values())
    return {id: first if counts.count(first) == 1 else names[id] for id, first in firsts.items()}


FILTERS = (when, day_and_time, deadline, weekday, full_weekday, month_day, full_day, month, local_day, zone_name)


def _first(name: str) -> str:
    first, _space, rest = name.partition(" ")
    return name if first.endswith(".") or first in ("Dr", "Prof") or not rest else first


@lru_cache(maxsize=4096)
def _formatted(pattern: str, on: date, lang: str) -> str:
    return format_date(on, pattern, locale=words.locale_of(lang)).translate({0x202F: " ", 0xA0: " "})


@lru_cache(maxsize=64)
def _pattern(skeleton: str, lang: str) -> str:
    """The language's order of a date's parts. Babel finds the order but not the width of the words: this does."""
    skeletons = words.locale_of(lang).datetime_skeletons
    near = next(name for name in (skeleton, skeleton.replace("EEEE", "E"), "MMMEd") if name in skeletons)
    pattern = str(skeletons[near].pattern)
    if "EEEE" in skeleton:  # M and MM are numbers, MMM a short name
        pattern = re.sub("[Ec]+", "EEEE", re.sub("M+|L+", _long_month, pattern))
    return pattern


def _long_month(found: re.Match[str]) -> str:
    return "MMMM" if len(found[0]) == 3 else found[0]
