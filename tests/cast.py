"""The cast: Elm Clinic in London, where patients such as Ada visit Bo (or Dee, on Tuesdays), and Cy keeps the desk.

Tests take it as the fixture `make`; the clinic is loaded when it is first needed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import tomlkit
from flask import Flask

from booking.actions import appointment as appointments
from booking.actions import clinic as clinics
from booking.actions import key as keys
from booking.actions import slot as slots
from booking.actions import staff
from booking.domain.access import PATIENT, Caller, token
from booking.domain.availability import Wish
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.hold import Hold
from booking.store.patient import Person
from booking.store.practitioner import Actor, Service

LONDON = ZoneInfo("Europe/London")
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
CY = "cy@elm.example"

ELM = """\
[clinic]
slug = "elm"
name = "Elm Clinic"
phone = "020 7946 0142"
email = "desk@elm.example"
website = "https://elm.example"
region = "GB"
languages = ["en"]
minimum_notice = 30
cancellation_notice = 120
horizon = 60
contact = "Ring us from nine to five."
before_you_come = ["Eat something light"]
conditions = ["Back pain", "Poor sleep"]

[[locations]]
slug = "main"
name = "Elm House"
address = ["1 Elm Road", "London N1 9XX"]
zone = "Europe/London"
latitude = 51.5403
longitude = -0.0935
directions = "The blue door beside the bakery; ring twice."

[[rooms]]
slug = "ward"
location = "main"
places = 6

[[services]]
slug = "visit"
name = "Visit"
every = 30
conditions = ["Back pain"]
stages = [{minutes = 30}]

[[services]]
slug = "needles"
name = "Community acupuncture"
public_name = "Your visit"
every = 15
rooms = ["ward"]
conditions = ["Poor sleep"]
new_patients = "longer"
stages = [
    {minutes = 10}, {minutes = 30, practitioner = false}, {minutes = 5},
    {minutes = 5, practitioner = false, patient = false},
]
new_patient_stages = [
    {minutes = 25}, {minutes = 30, practitioner = false}, {minutes = 5},
    {minutes = 5, practitioner = false, patient = false},
]

[[practitioners]]
slug = "bo"
name = "Bo Andersen"
email = "bo@elm.example"
invites = true
services = ["visit", "needles"]
hours = [{days = "Mon-Fri", from = "09:00", to = "17:00", location = "main"}]

[[practitioners]]
slug = "dee"
name = "Dee Marsh"
services = ["visit"]
hours = [{days = "Tue", from = "10:00", to = "14:00", location = "main"}]

[[staff]]
email = "cy@elm.example"
name = "Cy"
role = "front-desk"
"""


class Make:
    """Makes what a test starts from, by the same actions as the app. What is made comes back detached, to be read."""

    def __init__(self, app: Flask, now: datetime) -> None:
        self.app = app
        self.now = now
        self._clinics: dict[str, int] = {}

    def clinic(self, text: str = ELM, **changes: Any) -> int:
        """Load the clinic of a file, with some settings of its [clinic] changed; its id."""
        file = tomlkit.parse(text)
        file["clinic"].update(changes)
        with self.app.app_context():
            loaded = clinics.load(tomlkit.dumps(file), now=self.now)
        self._clinics[str(file["clinic"]["slug"])] = loaded.clinic_id
        return loaded.clinic_id

    @property
    def elm(self) -> int:
        """The id of Elm Clinic."""
        return self._clinics["elm"] if "elm" in self._clinics else self.clinic()

    def at(self, time: str, *, weeks: int = 0) -> datetime:
        """The instant of a time such as "Mon 09:00" in London, in the week of `now` or some weeks later."""
        day, clock = time.split()
        monday = self.now.date() - timedelta(days=self.now.weekday())
        on = monday + timedelta(days=DAYS.index(day), weeks=weeks)
        return datetime.fromisoformat(f"{on}T{clock}").replace(tzinfo=LONDON)

    def wish(self, service: str = "visit", *, practitioner: str | None = "bo", new: bool = False) -> Wish:
        """A wish for a service of Elm Clinic; with `practitioner=None` for anyone."""
        elm = self.elm
        with self.app.app_context():
            wanted = sa.select(Service.id).where(Service.clinic_id == elm, Service.slug == service)
            who = sa.select(Actor.id).where(
                Actor.clinic_id == elm, Actor.kind == "practitioner", Actor.slug == practitioner
            )
            return Wish(
                db.session.scalars(wanted).one(),
                new=new,
                practitioner=db.session.scalars(who).one() if practitioner else None,
            )

    def person(self, name: str = "Ada Lovelace", **changes: Any) -> Person:
        """A person with an address of their own: ada@example.com."""
        values = {"email": f"{name.split()[0].lower()}@example.com", "phone": None, "language": "en"}
        return Person(name=name, **(values | changes))

    def appointment(
        self,
        starts: str = "Mon 09:00",
        *,
        weeks: int = 0,
        service: str = "visit",
        practitioner: str | None = "bo",
        new: bool = False,
        person: Person | None = None,
        note: str = "",
        by: Caller = PATIENT,
    ) -> Appointment:
        """Ada's visit to Bo, or somebody else's; in a clinic that confirms first, their request."""
        wish = self.wish(service, practitioner=practitioner, new=new)
        start = self.at(starts, weeks=weeks)
        with self.app.app_context():
            return appointments.book(self.elm, wish, start, person or self.person(), note=note, by=by, now=self.now)

    def link(self, visit: Appointment) -> str:
        """The path of the visit's mailed link."""
        secret = self.app.config["SETTINGS"].secret_key
        return f"/a/{token(secret, 'manage', visit.clinic_id, visit.public_id, visit.link_version)}"

    def hold(
        self, starts: str = "Mon 09:00", *, weeks: int = 0, service: str = "visit", session_key: str = "another browser"
    ) -> Hold:
        """A provisional hold of somebody else's browser."""
        wish = self.wish(service)
        with self.app.app_context():
            return slots.hold(self.elm, wish, self.at(starts, weeks=weeks), session_key=session_key, now=self.now)

    def session(self, email: str = CY, *, role: str = "front-desk", clinic: int | None = None) -> str:
        """Sign a person in who has this role in the clinic (Elm's without one); the secret of their session."""
        clinic = clinic or self.elm
        with self.app.app_context():
            link = staff.invite(clinic, email, name=email.split("@")[0], role=role, language="en", now=self.now)
            return staff.sign_in(link.rpartition("/")[2], now=self.now)

    def key(self, *scopes: str, clinic: int | None = None) -> str:
        """An API key of the clinic (Elm's without one)."""
        clinic = clinic or self.elm
        with self.app.app_context():
            return keys.create(clinic, "Website", scopes, days=30, now=self.now)
