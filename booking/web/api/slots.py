"""GET slots: what is on offer, for everybody. The answer's tag is known before anything is searched."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta

from flask import Response, current_app, g, json, request

from booking.actions import slot
from booking.domain.availability import Wish, shape, stages_for
from booking.store.diary import Diary
from booking.web import slots as written
from booking.web.access import allow
from booking.web.api import asked
from booking.web.api.blueprint import blueprint
from booking.web.api.models import FirstQuery, SlotsQuery
from booking.web.errors import Refused

USUAL_DAYS = 7
MOST_DAYS = 62


@blueprint.get("/clinics/<clinic>/slots")
@allow("public")
def on_offer() -> Response:
    query = asked.query(SlotsQuery)
    book = slot.read(g.clinic.id, g.now)
    wish = _wish(book, query)
    since, until = _days(book, wish, query)
    answer = _tagged(book)
    if answer.status_code == 304:
        return answer
    if query.count:
        free = slot.per_day(book, wish, since, until)
        answer.set_data(json.dumps({"days": [{"date": str(day), "free": count} for day, count in free.items()]}))
        return answer
    stay = shape(stages_for(book.plan.services[wish.service], wish.new)).stay
    found = written.text(slot.starts(book, wish, since, until), stay, book.plan)
    after = slot.first(book, wish, until)
    later = written.plain(after, book.plan)["start"] if after else None
    answer.set_data(f'{{"slots":{found},"next":{json.dumps(later)}}}')
    return answer


@blueprint.get("/clinics/<clinic>/slots/first")
@allow("public")
def first() -> Response:
    query = asked.query(FirstQuery)
    book = slot.read(g.clinic.id, g.now)
    wish = _wish(book, query)
    answer = _tagged(book)
    if answer.status_code != 304:
        found = slot.first(book, wish, query.since)
        answer.set_data(json.dumps({"slot": written.plain(found, book.plan) if found else None}))
    return answer


def _wish(book: Diary, query: FirstQuery) -> Wish:
    return asked.wish(book.plan, query.service, query.practitioner, query.location, new=query.new == "1")


def _days(book: Diary, wish: Wish, query: SlotsQuery) -> tuple[date, date]:
    since = query.since or slot.today(book.plan, wish, g.now)
    until = query.until or since + timedelta(days=USUAL_DAYS)
    if not since < until <= since + timedelta(days=MOST_DAYS):
        fault = f"must be after from and at most {MOST_DAYS} days later"
        raise Refused(422, f"`to` {fault}.", [("to", fault)])
    return since, until


def _tagged(book: Diary) -> Response:
    """An empty answer with its tag: 304 if the asker has it already."""
    said = f"{book.stamp()} {request.full_path}"
    tag = hashlib.sha1(said.encode(), usedforsecurity=False).hexdigest()[:20]
    answer = current_app.response_class(mimetype="application/json")
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.set_etag(tag, weak=True)
    if request.if_none_match.contains_weak(tag):
        answer.status_code = 304
    return answer
