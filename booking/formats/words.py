"""Dates, times, places and phone numbers as a person reads them: by Babel and CLDR, for pages and mails alike.

Nothing here is translated by us, and nothing reads the clock. `lang` is a language with or without a region
("en", "es_US", "en-GB"); `zone` is an IANA name; instants are aware. Answers carry plain spaces only, so that
they can stand in a mail's subject.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time, get_timezone_location
from babel.support import NullTranslations, Translations
from phonenumbers import NumberParseException, PhoneNumberFormat

CATALOGUES = Path(__file__).parent.parent / "translations"
_PLAIN = str.maketrans({"\u202f": " ", "\u00a0": " "})


@lru_cache(maxsize=256)
def locale_of(lang: str, region: str = "") -> Locale:
    """The locale for a language as it is written in a region (ISO 3166): "en" in GB puts the day first.

    A pair that CLDR does not know is the language alone; an unknown language is English.
    """
    base, _, own_region = lang.replace("-", "_").partition("_")
    for name in (f"{base}_{own_region or region}", base):
        try:
            return Locale.parse(name.rstrip("_"))
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


@lru_cache(maxsize=256)
def tongue(lang: str, region: str) -> str:
    """The language with its region, as the other functions take it: ("en", "GB") is "en_GB", ("es", "") "es"."""
    return str(locale_of(lang, region))


def day(instant: datetime, zone: str, lang: str) -> str:
    """The date with weekday and year: "Tuesday, November 24, 2026"."""
    return _day(instant.astimezone(ZoneInfo(zone)).date(), lang)


def short_day(instant: datetime, zone: str, lang: str) -> str:
    """The date short, without a year: "Tue, Nov 24"."""
    return _short_day(instant.astimezone(ZoneInfo(zone)).date(), lang)


def dated(instant: datetime, zone: str, lang: str) -> str:
    """The date short, with its year: "Nov 24, 2026"."""
    return _dated(instant.astimezone(ZoneInfo(zone)).date(), lang)


def clock(instant: datetime, zone: str, lang: str) -> str:
    """The time of day as the language writes it: "9:20 am", "09:20".

    In an hour that the clocks repeat, the zone's abbreviation follows, so that both runs can be told apart.
    """
    local = instant.astimezone(ZoneInfo(zone))
    shown = _clock(local.hour, local.minute, lang)
    if local.utcoffset() == local.replace(fold=1 - local.fold).utcoffset():
        return shown
    return f"{shown} {_abbreviation(local)}"


@lru_cache(maxsize=512)
def zone_name(zone: str, lang: str) -> str:
    """What the time of a zone is called after its city: "Chicago time", "hora de Chicago"."""
    locale = locale_of(lang)
    city = str(get_timezone_location(zone, locale=locale, return_city=True)).rpartition("/")[2]
    if zone.rpartition("/")[2] == "UTC":
        return "UTC"
    # Babel mistakes some regions' word for summer time ("hora de verano de", es_US) for the plain one.
    name = str(Locale(locale.language, script=locale.script).zone_formats["region"]) % city
    if locale.language == "en":  # CLDR writes "Chicago Time", which reads like a proper name.
        name = name.replace(" Time", " time")
    return name


@lru_cache(maxsize=4096)
def phone_shown(e164: str, region: str) -> str:
    """A stored phone number as people of `region` write it; with its country code when it is from elsewhere.

    What cannot be read as a number comes back as it is.
    """
    try:
        number = phonenumbers.parse(e164, region)
    except NumberParseException:
        return e164
    home = phonenumbers.country_code_for_region(region) == number.country_code
    style = PhoneNumberFormat.NATIONAL if home else PhoneNumberFormat.INTERNATIONAL
    return phonenumbers.format_number(number, style)


def initials(name: str) -> str:
    """The first letters of a name's parts, at most three: "A. L."."""
    return " ".join(f"{part[0].upper()}." for part in name.split()[:3])


def short_name(name: str) -> str:
    """The first name and the initial of the last: "Ada L."; a single name as it is."""
    first, *rest = name.split() or [""]
    return f"{first} {rest[-1][0].upper()}." if rest else first


def map_link(map_url: str, latitude: float | None, longitude: float | None, address: Iterable[str]) -> str:
    """Where a map shows the place: the clinic's own link, else one made from its coordinates or its address."""
    if map_url.startswith(("https://", "http://")):
        return map_url
    if latitude is not None and longitude is not None:
        return f"https://www.google.com/maps/search/?api=1&query={latitude},{longitude}"
    return f"https://www.google.com/maps/search/?api=1&query={quote(', '.join(address))}"


@lru_cache(maxsize=64)
def translations(lang: str) -> NullTranslations:
    """The catalogue of a language, with its `gettext` and `ngettext`; English texts where there is none."""
    return Translations.load(str(CATALOGUES), [locale_of(lang)])


def text_in(text: str | Mapping[str, str], lang: str, fallback: str) -> str:
    """A clinic's text in a language: the exact one, its base language, the fallback, else the first that is there."""
    if isinstance(text, str):
        return text
    for name in (lang, lang.replace("-", "_").partition("_")[0], fallback):
        if name in text:
            return text[name]
    return next(iter(text.values()), "")


@lru_cache(maxsize=4096)
def _day(on: date, lang: str) -> str:
    return format_date(on, "full", locale_of(lang)).translate(_PLAIN)


@lru_cache(maxsize=4096)
def _short_day(on: date, lang: str) -> str:
    return format_skeleton("MMMEd", on, locale=locale_of(lang)).translate(_PLAIN)


@lru_cache(maxsize=4096)
def _dated(on: date, lang: str) -> str:
    return format_date(on, "medium", locale_of(lang)).translate(_PLAIN)


@lru_cache(maxsize=8192)
def _clock(hour: int, minute: int, lang: str) -> str:
    locale = locale_of(lang)
    shown = format_time(time(hour, minute), "short", locale=locale).translate(_PLAIN)
    return shown.lower() if locale.language == "en" else shown


def _abbreviation(local: datetime) -> str:
    name = local.tzname() or ""
    if name[:1] not in "+-":
        return name
    # Zones without letters of their own ("+1030") would read like a sum.
    hours, minutes = name[:3], name[3:]
    return f"UTC{hours}:{minutes}" if minutes else f"UTC{hours}"
