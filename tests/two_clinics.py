"""A clinic with a visit in it, for the tests of doors: whatever belongs to Elm is nobody's business at Oak."""

from __future__ import annotations

from dataclasses import dataclass

from flask.testing import FlaskClient

from booking.actions import appointment, slot
from booking.domain.access import PUBLIC
from booking.domain.availability import Wish
from booking.store.base import db
from booking.store.patient import Patient
from tests.cast import Make


@dataclass(frozen=True)
class Clinic:
    """A clinic of the cast, with Ada's visit on Tuesday at nine."""

    make: Make
    id: int
    slug: str
    visit: str  # public id
    patient: str  # public id
    link: str  # the path of the visit's mailed link

    def bearer(self, scope: str = "book") -> dict[str, str]:
        """The header with a new API key of this scope."""
        return {"Authorization": f"Bearer {self.make.key(scope, clinic=self.id)}"}

    def sign_in(self, client: FlaskClient, role: str = "front-desk") -> None:
        """Sign somebody in who has this role in this clinic."""
        client.set_cookie("sid", self.make.session(f"{role}@{self.slug}.example", role=role, clinic=self.id))


def open_clinic(make: Make, slug: str) -> Clinic:
    """Load the cast's clinic under this slug, and book the visit."""
    id = make.elm if slug == "elm" else make.clinic(slug=slug, name=slug.title())
    with make.app.app_context():
        plan = slot.read(id, make.now).plan
        wish = Wish(next(service.id for service in plan.services.values() if service.slug == "visit"))
        visit = appointment.book(id, wish, make.at("Tue 09:00"), make.person(), by=PUBLIC, now=make.now)
        patient = db.session.get_one(Patient, visit.patient_id)
        return Clinic(make, id, slug, visit.public_id, patient.public_id, make.link(visit))
