"""A practitioner's feed on their own page: its address, a new one, and ending it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from flask import g, redirect, request, url_for
from flask.typing import ResponseReturnValue

from booking.actions import feed as actions
from booking.domain.errors import NotFound
from booking.domain.feed import Kind
from booking.formats.feed import webcal
from booking.store import feed as feeds
from booking.store import own
from booking.web.access import allow
from booking.web.desk.blueprint import READERS, blueprint


@dataclass(frozen=True, slots=True)
class MyFeed:
    """The feed of the signed-in practitioner; how much it tells is the owner's choice."""

    name: str
    address: str
    webcal: str
    detail: str
    used_on: date | None


def shown(practitioner_id: int, name: str) -> MyFeed | None:
    """The practitioner's feed, None if they have none."""
    found = feeds.of(g.clinic.id, Kind.PRACTITIONER, practitioner_id)
    if found is None:
        return None
    address = feeds.address(found)
    return MyFeed(name, address, webcal(address), found.detail, found.last_used_on)


@blueprint.post("/desk/<clinic>/me/feed")
@allow("staff", *READERS, fresh=True)
def change_my_feed() -> ResponseReturnValue:
    someone = own.practitioner(g.clinic.id, g.staff.email)
    act = {"make": actions.make, "renew": actions.renew, "end": actions.end}.get(request.form.get("do", ""))
    if someone is None or act is None:
        raise NotFound
    act(g.clinic.id, Kind.PRACTITIONER, someone.id, by=g.caller, now=g.now)
    return redirect(url_for("desk.me", _anchor="feed"), 303)
