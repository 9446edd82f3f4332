from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from booking.formats import words

VISIT = datetime(2026, 11, 24, 15, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lang", "day", "short", "clock"),
    [
        ("en", "Tuesday, November 24, 2026", "Tue, Nov 24", "9:20 am"),
        ("en-GB", "Tuesday, 24 November 2026", "Tue 24 Nov", "09:20"),
        ("es_US", "martes, 24 de noviembre de 2026", "mar, 24 de nov", "9:20 a.m."),
        ("fr", "mardi 24 novembre 2026", "mar. 24 nov.", "09:20"),
        ("xx", "Tuesday, November 24, 2026", "Tue, Nov 24", "9:20 am"),
    ],
)
def test_dates_and_times_are_written_as_the_language_does(lang: str, day: str, short: str, clock: str) -> None:
    zone = "America/Chicago"
    assert (words.day(VISIT, zone, lang), words.short_day(VISIT, zone, lang), words.clock(VISIT, zone, lang)) == (
        day,
        short,
        clock,
    )


def test_the_day_is_that_of_the_place_and_not_of_greenwich() -> None:
    instant = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    assert words.day(instant, "America/Chicago", "en") == "Monday, November 23, 2026"
    assert words.short_day(instant, "Australia/Adelaide", "en") == "Tue, Nov 24"


@pytest.mark.parametrize(
    ("zone", "first", "apart", "shown"),
    [
        ("America/Chicago", datetime(2026, 11, 1, 6, 30, tzinfo=UTC), 60, ("1:30 am CDT", "1:30 am CST")),
        ("Europe/London", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), 60, ("1:30 am BST", "1:30 am GMT")),
        # Lord Howe turns its clocks by half an hour and has no letters for its time.
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 14, 45, tzinfo=UTC), 30, ("1:45 am UTC+11", "1:45 am UTC+10:30")),
    ],
)
def test_both_runs_of_a_repeated_hour_can_be_told_apart(
    zone: str, first: datetime, apart: int, shown: tuple[str, str]
) -> None:
    second = first + timedelta(minutes=apart)
    assert (words.clock(first, zone, "en"), words.clock(second, zone, "en")) == shown
    assert words.clock(second + timedelta(minutes=60), zone, "en")[-2:] == "am"


@pytest.mark.parametrize(
    ("zone", "lang", "name"),
    [
        ("America/Chicago", "en", "Chicago time"),
        ("America/Chicago", "es_US", "hora de Chicago"),
        ("Europe/London", "en_GB", "London time"),
        ("America/Indiana/Indianapolis", "en", "Indianapolis time"),
        ("UTC", "en", "UTC"),
        ("Etc/UTC", "es", "UTC"),
    ],
)
def test_a_zone_is_called_after_its_city(zone: str, lang: str, name: str) -> None:
    assert words.zone_name(zone, lang) == name


@pytest.mark.parametrize(
    ("e164", "region", "shown"),
    [
        ("+16305550142", "US", "(630) 555-0142"),
        ("+16305550142", "GB", "+1 630-555-0142"),
        ("+442079460123", "GB", "020 7946 0123"),
        ("not a number", "US", "not a number"),
        ("", "US", ""),
    ],
)
def test_a_phone_number_is_shown_as_its_region_writes_it(e164: str, region: str, shown: str) -> None:
    assert words.phone_shown(e164, region) == shown


@pytest.mark.parametrize(
    ("text", "lang", "found"),
    [
        ("Ring the bell", "es", "Ring the bell"),
        ({"en": "Ring the bell", "es": "Toque el timbre"}, "es_US", "Toque el timbre"),
        ({"en": "Ring the bell", "es": "Toque el timbre"}, "de", "Ring the bell"),
        ({"es": "Toque el timbre"}, "de", "Toque el timbre"),
        ({}, "de", ""),
    ],
)
def test_a_text_is_found_in_the_best_language_there_is(text: str | dict[str, str], lang: str, found: str) -> None:
    assert words.text_in(text, lang, "en") == found


def test_a_language_takes_the_region_of_its_clinic_unless_it_has_its_own() -> None:
    assert words.tongue("en", "GB") == "en_GB"
    assert words.tongue("es_MX", "US") == "es_MX"
    assert words.tongue("de", "US") == "de"
    assert words.tongue("../../etc", "") == "en"
