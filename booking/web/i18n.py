"""The reader's language, and how days, times, texts and phone numbers look in it on a page."""

from __future__ import annotations

from datetime import datetime

from flask import Flask, g, has_request_context, request, session
from flask_babel import Babel

from booking.formats import words
from booking.store.clinic import Text

FALLBACK = "en"


def configure(app: Flask) -> None:
    """Translations by Flask-Babel, and filters: |day, |short_day, |dated, |clock, |text, |phone, |phone_in(region)."""
    Babel(app, locale_selector=locale)
    for show in (day, short_day, dated, clock, text, phone, phone_in):
        app.add_template_filter(show)


def language_of_request() -> str:
    """?lang= (remembered), else what was remembered, else what the browser asks for; of the clinic's languages."""
    spoken = g.clinic.languages if g.clinic else [FALLBACK]
    asked = request.args.get("lang")
    if asked in spoken:
        session["lang"] = asked
    remembered = session.get("lang")
    if remembered in spoken:
        return str(remembered)
    return request.accept_languages.best_match(spoken) or str(spoken[0])


def locale() -> str:
    """The reader's language as the clinic's region writes it, like en_US."""
    if not has_request_context():
        return FALLBACK
    return words.tongue(g.get("language", FALLBACK), g.clinic.region if g.get("clinic") else "")


def day(instant: datetime, zone: str) -> str:
    return words.day(instant, zone, locale())


def short_day(instant: datetime, zone: str) -> str:
    return words.short_day(instant, zone, locale())


def dated(instant: datetime, zone: str) -> str:
    return words.dated(instant, zone, locale())


def clock(instant: datetime, zone: str) -> str:
    return words.clock(instant, zone, locale())


def text(found: Text) -> str:
    """A clinic's text in the reader's language; nothing for None."""
    return "" if found is None else words.text_in(found, g.language, g.clinic.languages[0])


def phone(e164: str) -> str:
    return words.phone_shown(e164, g.clinic.region)


def phone_in(e164: str, region: str) -> str:
    return words.phone_shown(e164, region)
