"""Patients at the desk: found by what one remembers, and their records.

What is searched for is sent by POST and answered at once: it stands in no address, so in no log and no history.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from babel import Locale
from flask import g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from wtforms import Field, HiddenField, SelectField, StringField, TextAreaField
from wtforms.validators import ValidationError

from booking.actions import patient as actions
from booking.domain.appointment import OPEN, Status
from booking.domain.errors import Changed
from booking.formats.contact import is_readable, tidy, tidy_lines
from booking.store import clinic as clinics
from booking.store import patient as patients
from booking.store import record
from booking.store.patient import Found, Patient, Person
from booking.store.patient_key import Match
from booking.store.record import NOTE_LENGTH, Note
from booking.web import errors, i18n
from booking.web.access import allow
from booking.web.desk import seen, visits
from booking.web.desk.blueprint import DESK, READERS, blueprint
from booking.web.desk.visits import Visit
from booking.web.forms import ContactForm, Form

TYPED = 100  # characters that are looked for


# Finding


@blueprint.get("/desk/<clinic>/patients")
@allow("staff", *READERS)
def find_patients() -> str:
    lately = dict.fromkeys(record.lately_seen(g.clinic.id, g.staff.id, g.now))
    return render_template(
        "desk/patients.html", typed="", found=None, lately=patients.found(g.clinic.id, lately, now=g.now), too=_too()
    )


@blueprint.post("/desk/<clinic>/patients")
@allow("staff", *READERS)
def found_patients() -> str:
    typed = request.form.get("q", "")[:TYPED].strip()
    found = patients.search(g.clinic.id, typed, now=g.now)
    # The script asks for the part that changes.
    page = "desk/patients_found.html" if "X-Part" in request.headers else "desk/patients.html"
    return render_template(page, typed=typed, found=found, said=found_words(typed, found), lately=[], too=_too())


def _too() -> Patient | None:
    """The record for which another one of the same person is looked for."""
    public_id = request.values.get("too")
    return patients.by_public_id(g.clinic.id, public_id) if public_id and g.caller.role in DESK else None


def found_words(typed: str, found: list[Found]) -> str:
    """How many were found, for who hears the page."""
    if not typed:
        return ""
    if not found:
        return _("Nobody is found.")
    return ngettext("%(num)s patient is found.", "%(num)s patients are found.", len(found))


def match_words(match: Match | None) -> str:
    """What of a patient is like what was typed, where it does not show by itself."""
    match match:
        case Match.REFERENCE:
            return _("Reference of a visit")
        case Match.SOUND | Match.SLIP:
            return _("Similar name")
    return ""


blueprint.add_app_template_filter(match_words)


# The record


class NoteForm(Form):
    text = TextAreaField(_l("New note"), filters=[tidy_lines])

    def validate_text(self, field: Field) -> None:
        if not field.data:
            raise ValidationError(_("Write something first"))
        if len(field.data) > NOTE_LENGTH:
            raise ValidationError(_("Keep the note under %(count)s characters", count=NOTE_LENGTH))
        if not is_readable(field.data):
            raise ValidationError(errors.fault_words("text"))


@dataclass(frozen=True, slots=True)
class Record:
    """A patient's record as the page shows it."""

    row: Patient
    coming: list[Visit]  # the next first
    past: list[Visit]  # the newest first; what was called off is among them
    noshows: int
    notes: list[Note]
    same: list[Patient]  # perhaps this person's too
    family: list[Patient]  # others with the same phone or e-mail
    merged: list[tuple[record.Merge, Patient]]
    language: str
    zone: str
    said: str  # of what was just done


@blueprint.get("/desk/<clinic>/patients/<id>")
@allow("staff", *READERS)
def patient(id: str) -> ResponseReturnValue:
    someone = patients.by_public_id(g.clinic.id, id)
    if someone.merged_into_id is not None:
        kept = patients.by_id(g.clinic.id, someone.merged_into_id)
        return redirect(url_for("desk.patient", id=kept.public_id), 303)
    return _page(someone, NoteForm())


@blueprint.post("/desk/<clinic>/patients/<id>/notes")
@allow("staff", *READERS)
def write_note(id: str) -> ResponseReturnValue:
    someone = patients.by_public_id(g.clinic.id, id)
    form = NoteForm()
    if not form.validate():
        return _page(someone, form), 422
    actions.write_note(g.clinic.id, id, form.text.data or "", by=g.caller, now=g.now)
    return redirect(url_for("desk.patient", id=id, done="note", _anchor="notes"), 303)


@blueprint.post("/desk/<clinic>/patients/<id>/notes/<note>/remove")
@allow("staff", *READERS)
def remove_note(id: str, note: str) -> ResponseReturnValue:
    actions.remove_note(g.clinic.id, id, note, by=g.caller, now=g.now)
    return redirect(url_for("desk.patient", id=id, done="note-removed", _anchor="notes"), 303)


def _page(someone: Patient, form: NoteForm) -> str:
    seen.patient(someone.id)
    return render_template("desk/patient.html", record=_record(someone), form=form, may_remove=_may_remove)


def _record(someone: Patient) -> Record:
    shown = visits.of((row, someone) for row in record.visits(g.clinic.id, someone.id))
    coming = [visit for visit in shown if visit.row.ends_at > g.now and Status(visit.row.status) in OPEN]
    same = record.alike(someone)
    alike = {other.id for other in same}
    places = clinics.locations(g.clinic.id)
    return Record(
        row=someone,
        coming=coming[::-1],
        past=[visit for visit in shown if visit not in coming],
        noshows=sum(visit.row.status == Status.NOSHOW for visit in shown),
        notes=record.notes(g.clinic.id, someone.id),
        same=same,
        family=[other for other in record.family(someone) if other.id not in alike],
        merged=[(merge, other) for merge, _kept, other, _author in record.merges(g.clinic.id, kept=someone.id)],
        language=_language_name(someone.language),
        zone=places[0].zone if places else "UTC",
        said=_done_words(request.args.get("done", "")),
    )


def _may_remove(note: Note) -> bool:
    return bool(g.caller.role == "owner" or g.caller.id == note.author_id)


def _language_name(code: str) -> str:
    return Locale.parse(code, sep="-").get_display_name(i18n.locale()) or code


def _done_words(done: str) -> str:
    match done:
        case "saved":
            return _("Saved.")
        case "mailed":
            return _("Saved. Visits to come are mailed to the new address; the old one is told that they moved away.")
        case "note":
            return _("The note is kept.")
        case "note-removed":
            return _("The note is gone.")
        case "merged":
            return _("Merged: all visits and notes stand here now.")
        case "unmerged":
            return _("Taken apart again: what had moved is back where it was.")
    return ""


# Name and contacts


class RecordForm(ContactForm):
    """A patient's name and contacts, as the desk corrects them."""

    phone = StringField(_l("Phone"), filters=[tidy])
    email = StringField(_l("E-mail"), filters=[tidy])
    language = SelectField(_l("Language of mails"), validate_choice=True)
    version = HiddenField()

    def person(self) -> Person:
        return replace(super().person(), language=self.language.data)


@blueprint.get("/desk/<clinic>/patients/<id>/edit")
@allow("staff", *DESK)
def edit_patient(id: str) -> ResponseReturnValue:
    someone = patients.by_public_id(g.clinic.id, id)
    if someone.merged_into_id is not None:
        return redirect(url_for("desk.patient", id=id), 303)
    shown = {
        "name": someone.name,
        "phone": i18n.phone(someone.phone) if someone.phone else "",
        "email": someone.email or "",
        "language": someone.language,
        "version": someone.version,
    }
    return _contacts(someone, RecordForm(shown))


@blueprint.post("/desk/<clinic>/patients/<id>/edit")
@allow("staff", *DESK)
def change_patient(id: str) -> ResponseReturnValue:
    someone = patients.by_public_id(g.clinic.id, id)
    form = _with_languages(RecordForm(), someone)
    if not form.validate():
        return _contacts(someone, form), 422
    email = someone.email or ""
    try:
        expected = request.form.get("version", 0, type=int)
        changed = actions.change(g.clinic.id, id, form.person(), expected=expected, by=g.caller, now=g.now)
    except Changed as refusal:
        form.version.data = str(refusal.version)
        return _contacts(patients.by_public_id(g.clinic.id, id), form, is_changed=True), 409
    moved = (changed.email or "").casefold() != email.casefold()
    return redirect(url_for("desk.patient", id=id, done="mailed" if moved else "saved"), 303)


def _contacts(someone: Patient, form: RecordForm, *, is_changed: bool = False) -> str:
    seen.patient(someone.id)
    return render_template(
        "desk/patient_edit.html",
        row=someone,
        form=_with_languages(form, someone),
        is_changed=is_changed,
        language=_language_name(someone.language),
    )


def _with_languages(form: RecordForm, someone: Patient) -> RecordForm:
    codes = dict.fromkeys([*g.clinic.languages, someone.language])
    form.language.choices = [(code, _language_name(code)) for code in codes]
    return form


# Two records of one person


@blueprint.get("/desk/<clinic>/patients/duplicates")
@allow("staff", *DESK)
def duplicates() -> str:
    return _duplicates()


def _duplicates(refused: str = "") -> str:
    return render_template(
        "desk/patients_duplicates.html",
        pairs=record.duplicates(g.clinic.id),
        merges=record.merges(g.clinic.id),
        refused=refused,
        said=_done_words(request.args.get("done", "")),
        zone=next((place.zone for place in clinics.locations(g.clinic.id)), "UTC"),
    )


@dataclass(frozen=True, slots=True)
class Side:
    """One of two records that are compared."""

    row: Patient
    found: Found
    language: str
    visits: int
    notes: int
    moved: int  # visits to come that would be mailed to the other's address if the other is kept
    taken: list[str]  # contacts of the other that it would take over


@blueprint.get("/desk/<clinic>/patients/<id>/merge/<other>")
@allow("staff", *DESK)
def compare(id: str, other: str) -> ResponseReturnValue:
    rows = [patients.by_public_id(g.clinic.id, public_id) for public_id in (id, other)]
    if id == other or any(row.merged_into_id is not None for row in rows):
        return redirect(url_for("desk.patient", id=id), 303)
    for row in rows:
        seen.patient(row.id)
    zone = next((place.zone for place in clinics.locations(g.clinic.id)), "UTC")
    return render_template("desk/patients_compare.html", sides=[_side(*rows), _side(*rows[::-1])], zone=zone)


def _side(row: Patient, other: Patient) -> Side:
    held = record.visits(g.clinic.id, row.id)
    kept_email = (other.email or row.email or "").casefold()
    coming = [visit for visit in held if Status(visit.status) in OPEN and visit.ends_at > g.now]
    [found] = patients.found(g.clinic.id, {row.id: None}, now=g.now)
    return Side(
        row=row,
        found=found,
        language=_language_name(row.language),
        visits=len(held),
        notes=len(record.notes(g.clinic.id, row.id)),
        moved=len(coming) if (row.email or "").casefold() != kept_email else 0,
        taken=[name for name in ("phone", "email") if not getattr(row, name) and getattr(other, name)],
    )


@blueprint.post("/desk/<clinic>/patients/<id>/merge/<other>")
@allow("staff", *DESK)
def merge(id: str, other: str) -> ResponseReturnValue:
    try:
        actions.merge(g.clinic.id, id, other, by=g.caller, now=g.now)
    except Changed:
        return _duplicates(
            _("Nothing was merged: one of the two records was merged otherwise in the meantime. Please look again.")
        ), 409
    return redirect(url_for("desk.patient", id=id, done="merged"), 303)


@blueprint.post("/desk/<clinic>/patients/<id>/apart/<other>")
@allow("staff", *DESK)
def tell_apart(id: str, other: str) -> ResponseReturnValue:
    actions.tell_apart(g.clinic.id, id, other, by=g.caller, now=g.now)
    return redirect(url_for("desk.duplicates"), 303)


@blueprint.post("/desk/<clinic>/patients/merges/<merge>/undo")
@allow("staff", *DESK)
def unmerge(merge: str) -> ResponseReturnValue:
    try:
        undone = actions.unmerge(g.clinic.id, merge, by=g.caller, now=g.now)
    except Changed:
        return _duplicates(
            _("Nothing was changed: the record that was kept is itself part of another now. Take that apart first.")
        ), 409
    kept = patients.by_id(g.clinic.id, undone.kept_id)
    return redirect(url_for("desk.patient", id=kept.public_id, done="unmerged"), 303)
