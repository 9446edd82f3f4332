"""What the environment may hold: production refuses what is unsafe, and every refusal names the setting."""

from __future__ import annotations

import base64

import pytest

from booking import fetch, settings
from booking.settings import SettingsError

SAFE = {
    "BOOKING_ENV": "production",
    "BOOKING_SECRET_KEY": "not a secret, only for tests: 0123456789",
    "BOOKING_FIELD_KEY": base64.b64encode(bytes(32)).decode(),
    "BOOKING_PUBLIC_URL": "https://elm.example",
    "BOOKING_SMTP_URL": "smtp://mx.example:587?starttls=1",
}


@pytest.mark.parametrize(
    "url", ["smtps://mx.example", "smtp://a:b@mx.example:587?starttls=1", "smtp://localhost", "smtp://127.0.0.1:2525"]
)
def test_production_takes_a_safe_environment(url: str) -> None:
    assert settings.read(SAFE | {"BOOKING_SMTP_URL": url}).smtp_url == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BOOKING_SECRET_KEY", ""),
        ("BOOKING_SECRET_KEY", "short"),
        ("BOOKING_FIELD_KEY", ""),
        ("BOOKING_FIELD_KEY", "c2hvcnQ="),
        ("BOOKING_PUBLIC_URL", "http://elm.example"),
        ("BOOKING_PUBLIC_URL", "https://elm.example/path"),
        ("BOOKING_SMTP_URL", ""),
        ("BOOKING_SMTP_URL", "smtp://mx.example"),
        ("BOOKING_SMTP_URL", "smtp://mx.example?starttls=0"),
        ("BOOKING_SMTP_URL", "mx.example"),
        ("BOOKING_SMTP_URL", "smtp://mx.example:many"),
        ("BOOKING_CALENDAR_ORIGINS", "http://cloud.lan"),
        ("BOOKING_CALENDAR_ORIGINS", "https://cloud.lan,http://10.0.0.1:5232"),
        ("BOOKING_CALENDAR_ORIGINS", "cloud.lan"),
        ("BOOKING_CALENDAR_ORIGINS", "https://cloud.lan/dav"),
        ("BOOKING_CALENDAR_ORIGINS", "https://bo:secret@cloud.lan"),
        ("BOOKING_CALENDAR_ORIGINS", "https://cloud.lan:many"),
        ("BOOKING_RATE_LIMITS", "off"),
        ("BOOKING_PROXIES", "-1"),
        ("BOOKING_SMTP_ULR", "smtps://mx.example"),
    ],
)
def test_production_refuses_what_is_unsafe_and_names_it(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings.read(SAFE | {name: value})


def test_calendar_origins_are_spelt_as_the_addresses_will_be() -> None:
    said = " https://Cloud.LAN:443/, http://localhost:5232,http://[::1]:80,"
    found = settings.read(SAFE | {"BOOKING_CALENDAR_ORIGINS": said}).calendar_origins_allowed
    assert found == ("https://cloud.lan", "http://localhost:5232", "http://[::1]")
    assert [fetch.origin(f"{allowed}/bo/own/", found) for allowed in found] == list(found)
    assert settings.read(SAFE).calendar_origins_allowed == ()
