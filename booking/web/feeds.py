"""Feeds: what other people's calendar programs fetch again and again from a secret address.

Mostly nothing has changed, and one query knows that: a feed is what it was while the clinic's revisions and the day
are what they were. Else the visits in it are counted by their versions, and only those that changed are written anew.
"""

from __future__ import annotations

import gzip
import hashlib
from collections import OrderedDict
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple

from flask import Blueprint, Response, current_app, g, request

from booking.actions import feed as actions
from booking.actions import outbox
from booking.domain.access import is_genuine, subject_of
from booking.domain.appointment import Status
from booking.domain.errors import NotFound
from booking.domain.feed import Detail, Kind, span
from booking.formats import feed as written
from booking.formats.feed import Block
from booking.store import feed as feeds
from booking.store.base import cache, settings
from booking.store.feed import Opened, Stamp, Subject
from booking.web.access import address, allow, limit

blueprint = Blueprint("feeds", __name__)

EFFORT = 1  # of compression: the same lines again and again
MOST_BLOCKS = 60_000  # that a process remembers, about half a kilobyte each


class Known(NamedTuple):
    """A feed as this process last gave it: from what, its digest, and its events by what they say."""

    found: Opened
    on: date
    digest: str
    look: tuple[str, ...]
    blocks: dict[Stamp, Block]


class Feeds(OrderedDict[int, Known]):
    """The feeds that this process gave last, by their id."""


@blueprint.get("/feeds/<token>.ics")
@allow("public")
def feed(token: str) -> Response:
    found = _opened(token)
    known = cache(Feeds).get(found.id)
    if known is not None and found.changed_at is not None and _is_same(found, known):
        response = _answer(known.digest, found.changed_at)
        if response.status_code == 304:
            return response
    known, body = _read(found, known)
    changed_at = found.changed_at
    if changed_at is None or found.digest != known.digest or found.last_used_on != g.now.date():
        changed_at = actions.note_read(found.id, known.digest, g.now)
    return _answer(known.digest, changed_at, body)


def _opened(token: str) -> Opened:
    """The feed of that token. Raises NotFound for any that is not good, RateLimited after too many of those."""
    public_id = subject_of(token, "feed")
    found = feeds.opened(public_id) if public_id else None
    secret = settings().secret_key
    if found is None or not is_genuine(token, secret, "feed", found.clinic_id, found.public_id, found.version):
        limit(f"token:{address()}", 30, 300)
        raise NotFound
    return found


def _is_same(found: Opened, known: Known) -> bool:
    """Whether the feed is noted to be what this process knows it to be, and was read today already."""
    return known.on == found.last_used_on == g.now.date() and known.digest == found.digest and _same(found, known.found)


def _same(found: Opened, before: Opened) -> bool:
    """Whether nothing can have changed between two readings."""
    return all(getattr(found, name) == getattr(before, name) for name in ("detail", "settings", "board", "actors"))


def _read(found: Opened, known: Known | None) -> tuple[Known, bytes]:
    """The feed as it is now, made of the events that were written before and of those that changed."""
    whose = feeds.subject(found)
    look = (found.detail, whose.language, feeds.texts(found.clinic_id, found.settings))
    before = known.blocks if known is not None and known.look == look else {}
    stamps = feeds.stamps(found, whose.id, span(g.now))
    missing = [stamp for stamp in stamps if stamp not in before]
    if missing:
        before = before | _written(found, whose, missing)
    blocks = {stamp: before[stamp] for stamp in stamps if stamp in before}
    kind = Kind(found.kind)
    name = written.name(kind, whose.name, whose.clinic_name, whose.language)
    body = written.calendar(name, whose.zone, list(blocks.values()), year=g.now.year)
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    known = Known(found, g.now.date(), digest, look, blocks)
    _remember(known)
    return known, body


def _written(found: Opened, whose: Subject, stamps: list[Stamp]) -> dict[Stamp, Block]:
    """The events of these visits. One that can't be written is left out: the others have to reach their calendars."""
    by_id = {stamp.id: stamp for stamp in stamps}
    kind, detail = Kind(found.kind), Detail(found.detail)
    blocks = {}
    for row, _patient, room in feeds.visits(list(by_id)):
        visit = outbox.visit(row, whose.language, g.now)
        if kind is not Kind.PATIENT:
            page = f"{settings().public_url}/desk/{whose.clinic_slug}/appointments/{row.public_id}"
            visit = replace(visit, manage_url=page)
        try:
            blocks[by_id[row.id]] = written.block(visit, Status(row.status), kind=kind, detail=detail, room=room)
        except (ValueError, AssertionError) as error:
            current_app.logger.error("visit %d can't be written into a feed: %s", row.id, type(error).__name__)
    return blocks


def _remember(known: Known) -> None:
    """Keep it for the next request, in the place of those that nobody asked for longest."""
    kept = cache(Feeds)
    kept[known.found.id] = known
    kept.move_to_end(known.found.id)
    while len(kept) > 1 and sum(len(other.blocks) for other in kept.values()) > MOST_BLOCKS:
        kept.popitem(last=False)


def _answer(digest: str, changed_at: datetime, body: bytes = b"") -> Response:
    """The feed, or that the asker has it; packed only if asked, with a tag of its own since the bytes differ."""
    is_packed = bool(request.accept_encodings["gzip"])
    response = Response(mimetype="text/calendar")
    response.set_etag(f"{digest}-gzip" if is_packed else digest)
    response.last_modified = changed_at
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.vary.add("Accept-Encoding")
    response.make_conditional(request)
    if response.status_code == 200 and is_packed:
        body = gzip.compress(body, EFFORT, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
    if response.status_code == 200:
        response.set_data(body)
    return response
