"""What tests of the desk do in Elm Clinic, where Cy confirms what patients ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from booking.actions import appointment, staff
from booking.domain.access import PATIENT
from booking.store.base import db
from booking.store.outbox import Message
from booking.store.patient import Person
from tests.cast import CY, ELM, Make

ADA = Person("Ada", "ada@example.com", "+16305550142", "en")
EVE = Person("Eve", None, "+16305550177", "en")
TUESDAY = "/desk/elm/?on=2027-01-12&view=list"


@dataclass(frozen=True)
class Desk:
    """Elm Clinic in request mode, and the browsers of those who work there; Oak Clinic is none of their business."""

    make: Make
    elm: int

    @property
    def oak(self) -> int:
        return self.make.clinic(ELM.replace(CY, "di@oak.example"), slug="oak", name="Oak Clinic")

    def ask(
        self, starts: str = "Tue 10:00", *, who: Person = ADA, note: str = "", new: bool = False, service: str = "visit"
    ) -> str:
        """A patient asks for a time with Bo; the visit's public id."""
        return self.make.appointment(starts, person=who, note=note, new=new, service=service).public_id

    def patient_cancels(self, public_id: str) -> None:
        with self.make.app.app_context():
            appointment.cancel(self.elm, public_id, by=PATIENT, now=self.make.now)

    def link(self, email: str = CY, *, role: str = "front-desk", oak: bool = False) -> str:
        """An invitation's link, without the host."""
        with self.make.app.app_context():
            name, clinic_id = email.partition("@")[0].title(), self.oak if oak else self.elm
            link = staff.invite(clinic_id, email, name=name, role=role, language="en", now=self.make.now)
            return link.removeprefix(self.make.app.config["SETTINGS"].public_url)

    def signed_in(self, email: str = CY, *, role: str = "front-desk", oak: bool = False) -> FlaskClient:
        """A browser in which this person has signed in."""
        client = self.make.app.test_client()
        client.set_cookie("sid", self.make.session(email, role=role, clinic=self.oak if oak else self.elm))
        return client

    def mails(self, kind: str) -> list[str]:
        """To which patients or staff mails of a kind were queued, in order."""
        with self.make.app.app_context():
            query = sa.select(Message.address).where(Message.kind == kind, Message.role.in_(("patient", "staff")))
            return list(db.session.scalars(query.order_by(Message.id)))


def open_desk(make: Make) -> Desk:
    return Desk(make, make.clinic(confirmation="request"))


def token_in(page: str) -> str:
    """The CSRF token of a page's first form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def press(client: FlaskClient, page: str, to: str | None = None, **fields: str) -> TestResponse:
    """Open a page and send a form of it to `to` (the page itself by default), with its CSRF token."""
    shown = client.get(page)
    assert shown.status_code == 200, (page, shown.status_code)
    return client.post(to or page, data={"csrf_token": token_in(shown.text), **fields})
