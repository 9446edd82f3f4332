"""Appointments for programs that hold a clinic's key: book, look, cancel, move."""

from __future__ import annotations

from typing import Any

from flask import Response, g, jsonify, url_for

from booking.actions import appointment as visits
from booking.domain.access import token
from booking.domain.errors import Invalid
from booking.formats import contact
from booking.store import appointment as appointments
from booking.store import diary
from booking.store.appointment import Appointment
from booking.store.base import settings
from booking.store.patient import Person
from booking.web import slots
from booking.web.access import allow, limit
from booking.web.api import asked
from booking.web.api.blueprint import blueprint
from booking.web.api.models import AppointmentAsked, CancelAsked, PatientAsked, RescheduleAsked

PER_MINUTE = 600


@blueprint.post("/clinics/<clinic>/appointments")
@allow("key", "book")
def book() -> tuple[Response, int, dict[str, str]]:
    limit(f"key:{g.caller.id}", PER_MINUTE, 60)
    wanted = asked.body(AppointmentAsked)
    plan = diary.plan(g.clinic.id, g.clinic.revision)
    visit = visits.book(
        g.clinic.id,
        asked.wish(plan, wanted.service, wanted.practitioner, wanted.location, new=wanted.new_patient),
        wanted.start,
        _person(wanted.patient),
        note=wanted.note,
        key=asked.idempotency_key(wanted),
        by=g.caller,
        now=g.now,
    )
    address = url_for("api.show", id=visit.public_id)
    return jsonify(_plain(visit)), 201, {"Location": address}


@blueprint.get("/clinics/<clinic>/appointments/<id>")
@allow("key", "read")
def show(id: str) -> Response:
    return jsonify(_plain(appointments.by_public_id(g.clinic.id, id)))


@blueprint.post("/clinics/<clinic>/appointments/<id>/cancel")
@allow("key", "book")
def cancel(id: str) -> Response:
    limit(f"key:{g.caller.id}", PER_MINUTE, 60)
    wanted = asked.body(CancelAsked, may_be_empty=True)
    return jsonify(_plain(visits.cancel(g.clinic.id, id, reason=wanted.reason, by=g.caller, now=g.now)))


@blueprint.post("/clinics/<clinic>/appointments/<id>/reschedule")
@allow("key", "book")
def reschedule(id: str) -> Response:
    limit(f"key:{g.caller.id}", PER_MINUTE, 60)
    wanted = asked.body(RescheduleAsked)
    plan = diary.plan(g.clinic.id, g.clinic.revision)
    to = asked.practitioner_id(plan, wanted.practitioner)
    visit = visits.reschedule(g.clinic.id, id, wanted.start, practitioner=to, by=g.caller, now=g.now)
    return jsonify(_plain(visit))


def _person(given: PatientAsked) -> Person:
    """Raises Invalid for a phone or an e-mail that can't be one, or without either."""
    phone = contact.phone_number(given.phone, g.clinic.region) if given.phone else None
    email = contact.email_address(given.email) if given.email else None
    if given.phone and phone is None:
        raise Invalid({"patient.phone": "phone"})
    if given.email and email is None:
        raise Invalid({"patient.email": "email"})
    if phone is None and email is None:
        raise Invalid({"patient": "contact"})
    return Person(given.name, email, phone, str(g.clinic.languages[0]))


def _slugs(visit: Appointment) -> tuple[str, str, str]:
    """Of its service, practitioner and location."""
    plan = diary.plan(g.clinic.id, g.clinic.revision)
    try:
        practitioner = plan.practitioners[visit.practitioner_id]
        return plan.services[visit.service_id].slug, practitioner.slug, plan.locations[visit.location_id].slug
    except KeyError:  # archived since, and in no plan any more
        return appointments.slugs(visit)


def _plain(visit: Appointment) -> dict[str, Any]:
    service, practitioner, location = _slugs(visit)
    found = settings()
    link = token(found.secret_key, "manage", visit.clinic_id, visit.public_id, visit.link_version)
    return {
        "id": visit.public_id,
        "status": visit.status,
        "start": slots.local_text(visit.starts_at, visit.zone),
        "end": slots.local_text(visit.ends_at, visit.zone),
        "service": service,
        "practitioner": practitioner,
        "location": location,
        "manage_url": f"{found.public_url}/a/{link}",
    }
