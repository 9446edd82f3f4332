"""Reading a TOML text with every fault at once: the spot of each value, readers of the common kinds of values.

A reader takes the spot where a value stands and the value, says what is wrong with it, and then gives something
harmless of the right type, so that reading goes on and every fault is found. What the keys mean is not known here.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from booking.formats.toml_lines import Path

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: the line (from 1), the key by its path, what should stand there and what does.

    `path` is where the key stands, for forms.
    """

    line: int
    key: str
    expected: str
    found: str
    nearest: str | None = None
    path: Path = field(default=(), compare=False)

    def __str__(self) -> str:
        if self.found == UNKNOWN_KEY:
            says = UNKNOWN_KEY if self.nearest else f"{UNKNOWN_KEY}, expected {self.expected}"
        else:
            says = f"expected {self.expected}, found {self.found}"
        where = f"line {self.line}: {self.key}: {says}" if self.key else f"line {self.line}: {says}"
        return where + (f'; did you mean "{self.nearest}"?' if self.nearest else "")


class Said(str):
    """A finding in words, where a value of the file would be quoted."""

    __slots__ = ()


UNKNOWN_KEY = Said("unknown key")
MISSING = object()  # what a reader is given where a key that must be there is not


@dataclass(slots=True)
class Source:
    """The file as `tomllib` read it, where everything stands, and what was found wrong so far."""

    values: Mapping[str, Any]
    lines: Mapping[Path, int]
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: Path) -> int:
        while path and path not in self.lines:  # what is missing is missed where its table begins
            path = path[:-1]
        return self.lines.get(path, 1)

    def key(self, path: Path) -> str:
        """The path as people read it: an entry of a list goes by its slug if it has one, else by its number from 0."""
        value: Any = self.values
        shown = ""
        for part in path:
            if isinstance(part, int):
                value = value[part]
                slug = value.get("slug") if isinstance(value, dict) else None
                shown += f".{slug}" if isinstance(slug, str) and SLUG.fullmatch(slug) else f"[{part}]"
            else:
                value = value.get(part) if isinstance(value, dict) else None
                shown += f".{part}" if shown else part
        return shown


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the file, by its path from the root."""

    source: Source
    path: Path

    def inside(self, part: str | int) -> Spot:
        return Spot(self.source, (*self.path, part))

    def wrong(self, expected: str, found: object, instead: T, nearest: str | None = None) -> T:
        """Note a fault here, and return `instead`, which only has to be of the right type."""
        line, key = self.source.line(self.path), self.source.key(self.path)
        self.source.faults.append(Fault(line, key, expected, _shown(found), nearest, self.path))
        return instead


Reader = Callable[[Spot, object], T]


class Table:
    """A table that is being read. `close` reports the keys that nobody asked for."""

    def __init__(self, spot: Spot, values: object) -> None:
        self.spot = spot
        self.values: dict[str, Any] = values if isinstance(values, dict) else spot.wrong("a table", values, {})
        self.known: list[str] = []

    def has(self, key: str) -> bool:
        self.known.append(key)
        return key in self.values

    def need(self, key: str, read: Reader[T]) -> T:
        self.known.append(key)
        return read(self.spot.inside(key), self.values.get(key, MISSING))

    def get(self, key: str, read: Reader[T], default: D) -> T | D:
        return self.need(key, read) if self.has(key) else default

    def tables(self, key: str) -> list[Table]:
        if not self.has(key):
            return []
        spot, values = self.spot.inside(key), self.values[key]
        if not isinstance(values, list):
            values = spot.wrong("a list of tables", values, [])
        return [Table(spot.inside(number), value) for number, value in enumerate(values)]

    def close(self) -> None:
        known = sorted(set(self.known))
        for key in self.values.keys() - set(known):
            self.spot.inside(key).wrong("one of " + ", ".join(known), UNKNOWN_KEY, None, _nearest(key, known))


def _shown(value: object) -> str:
    if value is MISSING:
        return "nothing"
    if isinstance(value, Said):
        return value
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        short = value if len(value) <= 60 else value[:57] + "..."
        return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in short) + '"'
    return str(value)


def _nearest(word: str, known: Iterable[str]) -> str | None:
    by_lower = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), list(by_lower), n=1)
    return by_lower[found[0]] if found else None


SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][05]|24:00")


def _is_clean(text: str, allowed: str = "") -> bool:
    return not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text if c not in allowed)


def one_line(limit: int) -> Reader[str]:
    """A text without line breaks and control characters, stripped; never empty."""

    def read(spot: Spot, value: object) -> str:
        text = unicodedata.normalize("NFC", value).strip() if isinstance(value, str) else ""
        if 0 < len(text) <= limit and _is_clean(text):
            return text
        return spot.wrong(f"a text of one line, at most {limit} characters", value, "")

    return read


def prose(limit: int) -> Reader[str]:
    """A text that may have line breaks, stripped; never empty."""

    def read(spot: Spot, value: object) -> str:
        text = unicodedata.normalize("NFC", value).replace("\r\n", "\n").strip() if isinstance(value, str) else ""
        if 0 < len(text) <= limit and _is_clean(text, "\n"):
            return text
        return spot.wrong(f"a text of at most {limit} characters", value, "")

    return read


def whole(least: int, most: int, step: int = 1) -> Reader[int]:
    """A whole number in a range, both ends included."""

    steps = "" if step == 1 else f" in steps of {step}"

    def read(spot: Spot, value: object) -> int:
        if type(value) is int and least <= value <= most and value % step == 0:
            return value
        return spot.wrong(f"a whole number from {least} to {most}{steps}", value, least)

    return read


def degrees(most: int) -> Reader[float]:
    """A latitude or longitude."""

    def read(spot: Spot, value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= most:
            return float(value)
        return spot.wrong(f"degrees from -{most} to {most}", value, 0.0)

    return read


def flag(spot: Spot, value: object) -> bool:
    """True or false."""
    return value if isinstance(value, bool) else spot.wrong("true or false", value, False)


def slug(spot: Spot, value: object) -> str:
    """A name for URLs and references."""
    if isinstance(value, str) and SLUG.fullmatch(value):
        return value
    expected = "a slug: 1 to 40 of a-z, 0-9 and -, beginning with a letter or digit"
    near = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-")[:40] if isinstance(value, str) else ""
    return spot.wrong(expected, value, "", near or None)


def one_of(known: Collection[str], what: str = "") -> Reader[str]:
    """One of some words; `what` says what they are ("the rooms")."""

    def read(spot: Spot, value: object) -> str:
        if isinstance(value, str) and value in known:
            return value
        expected = f"one of {what} {', '.join(known)}".replace("  ", " ") if known else f"none: {what} are missing"
        return spot.wrong(expected, value, "", _nearest(value, known) if isinstance(value, str) else None)

    return read


def list_of(read_one: Reader[T], most: int = 60, least: int = 0) -> Reader[tuple[T, ...]]:
    """A list of so many entries, each as `read_one` has it."""

    def read(spot: Spot, value: object) -> tuple[T, ...]:
        if isinstance(value, list) and least <= len(value) <= most:
            return tuple(read_one(spot.inside(number), entry) for number, entry in enumerate(value))
        return spot.wrong(f"a list of {least} to {most} entries", value, ())

    return read


def distinct(read_all: Reader[tuple[T, ...]]) -> Reader[tuple[T, ...]]:
    """A list without repetitions."""

    def read(spot: Spot, value: object) -> tuple[T, ...]:
        entries = read_all(spot, value)
        for number, entry in enumerate(entries):
            if entry in entries[:number]:
                spot.inside(number).wrong("each entry once", entry, None)
        return entries

    return read


def phone(region: str) -> Reader[str]:
    """A phone number as people write it in a region (ISO 3166); E.164 comes back."""

    def read(spot: Spot, value: object) -> str:
        import phonenumbers  # slow to import, and needed when a file is read only

        expected = f"a phone number as people write it in {region or 'the region'}, without an extension"
        try:
            number = phonenumbers.parse(value if isinstance(value, str) and len(value) <= 40 else "", region or None)
        except phonenumbers.NumberParseException:
            return spot.wrong(expected, value, "")
        if not phonenumbers.is_valid_number(number) or number.extension:
            return spot.wrong(expected, value, "")
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    return read


def region(spot: Spot, value: object) -> str:
    """A country in two letters (ISO 3166) whose phone numbers are known."""
    import phonenumbers

    if isinstance(value, str) and value in phonenumbers.SUPPORTED_REGIONS:
        return value
    near = value.upper() if isinstance(value, str) and value.upper() in phonenumbers.SUPPORTED_REGIONS else None
    return spot.wrong("a country in two letters, such as US", value, "", "GB" if value == "UK" else near)


def email(spot: Spot, value: object) -> str:
    """An e-mail address in ASCII, its domain in lower case. Nothing is looked up."""
    from email_validator import EmailNotValidError, validate_email

    try:
        # The test environment lets the reserved names of examples pass; nothing is looked up in any case.
        address = validate_email(
            value if isinstance(value, str) else "",
            check_deliverability=False,
            allow_smtputf8=False,
            test_environment=True,
        )
    except EmailNotValidError:
        return spot.wrong("an e-mail address such as desk@clinic.example", value, "")
    return address.normalized


def url(spot: Spot, value: object) -> str:
    """A web address."""
    expected = "an address that begins with https:// (or http://), at most 500 characters"
    if not isinstance(value, str) or len(value) > 500 or not _is_clean(value) or " " in value:
        return spot.wrong(expected, value, "")
    try:
        parts = urlsplit(value)
        is_web = parts.scheme in ("https", "http") and bool(parts.hostname) and "@" not in parts.netloc
    except ValueError:
        is_web = False
    return value if is_web else spot.wrong(expected, value, "")


def zone(spot: Spot, value: object) -> str:
    """A zone of the IANA database."""
    known = available_timezones()
    if isinstance(value, str) and value in known:
        return value
    near = None
    if isinstance(value, str) and value:
        # People know the city better than the continent.
        city = value.rpartition("/")[2].replace(" ", "_").lower()
        cities = sorted(name for name in known if name.rpartition("/")[2].lower() == city)
        near = cities[0] if cities else _nearest(value, sorted(known))
    return spot.wrong("a zone of the IANA database such as America/Chicago", value, "UTC", near)


def language(spot: Spot, value: object) -> str:
    """A language that CLDR knows, with or without script or region."""
    from babel import Locale, UnknownLocaleError

    try:
        if isinstance(value, str) and len(value) <= 10:
            Locale.parse(value, sep="-")
            return value
    except (UnknownLocaleError, ValueError):
        pass
    return spot.wrong('a language such as "en", "es" or "zh-CN"', value, "")


def day(spot: Spot, value: object) -> date:
    """A date of this century."""
    if type(value) is date and 2000 <= value.year < 2100:
        return value
    return spot.wrong("a date such as 2026-11-26, without quotes", value, date(2000, 1, 1))


def wall_time(spot: Spot, value: object) -> datetime:
    """A date and wall clock time, naive, in whole five minutes."""
    is_local = isinstance(value, datetime) and value.tzinfo is None and 2000 <= value.year < 2100
    if is_local and isinstance(value, datetime) and (value.minute % 5, value.second, value.microsecond) == (0, 0, 0):
        return value
    expected = "a local date and time in whole five minutes such as 2026-12-24T12:00:00, without quotes or offset"
    return spot.wrong(expected, value, datetime(2000, 1, 1))  # noqa: DTZ001  wall clock


def clock(spot: Spot, value: object) -> int:
    """A time of day in whole five minutes, as minutes from midnight; 24:00 is the end of the day."""
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return int(value[:2]) * 60 + int(value[3:])
    return spot.wrong('a time in whole five minutes such as "09:00"', value, 0)
