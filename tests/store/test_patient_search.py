"""Patients are found by what somebody at a desk remembers of them, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
import sqlalchemy as sa
from flask import Flask

from booking.actions import appointment as appointments
from booking.actions import patient as patients
from booking.domain.access import PATIENT
from booking.domain.name import is_slip, slips, sound, together, words
from booking.store import patient, patient_key
from booking.store.base import db, transaction
from booking.store.patient import Patient, Person
from booking.store.patient_key import Match, PatientKey
from tests.cast import Make

PEOPLE = [
    ("Ada Lovelace", "ada.lovelace@example.com", "+16305550142"),
    ("Adam Smith", "smith+desk@mill.example", "+442079460133"),
    ("Jo Smythe", None, "+16305550177"),
    ("María de la Cruz Núñez", "maria@example.com", None),
    ("Seán O’Brien", "sean@example.com", None),
    ("Jørgen Müller-Groß", "jm@example.com", None),
    ("Catherine Kowalski", "ck@example.com", None),
    ("Анна Каренина", "anna@example.com", None),
    ("山田 太郎", "taro@example.com", None),
]
SEARCHES = [
    # what is typed, who is found first, what of them is like it
    ("Ada Lovelace", "Ada Lovelace", Match.NAME),
    ("lovelace ada", "Ada Lovelace", Match.NAME),
    ("LOVE", "Ada Lovelace", Match.NAME),
    ("lov ad", "Ada Lovelace", Match.NAME),
    ("ad sm", "Adam Smith", Match.NAME),
    ("maria cruz", "María de la Cruz Núñez", Match.NAME),
    ("nunez maria", "María de la Cruz Núñez", Match.NAME),
    ("Delacruz", "María de la Cruz Núñez", Match.NAME),
    ("de lacruz", "María de la Cruz Núñez", Match.NAME),
    ("obrien", "Seán O’Brien", Match.NAME),
    ("O'Brien sean", "Seán O’Brien", Match.NAME),
    ("brien", "Seán O’Brien", Match.NAME),
    ("jorgen gross", "Jørgen Müller-Groß", Match.NAME),
    ("Mueller", "Jørgen Müller-Groß", Match.SOUND),
    ("Kathryn Kovalsky", "Catherine Kowalski", Match.SOUND),
    ("smyth", "Jo Smythe", Match.NAME),
    ("jo smith", "Jo Smythe", Match.SOUND),
    ("obryan", "Seán O’Brien", Match.SOUND),
    ("lovelcae", "Ada Lovelace", Match.SLIP),
    ("lobelace", "Ada Lovelace", Match.SLIP),
    ("ada lovelacce", "Ada Lovelace", Match.SOUND),
    ("adda lobelace", "Ada Lovelace", Match.SLIP),
    ("kowaslki c", "Catherine Kowalski", Match.SLIP),
    ("каренина", "Анна Каренина", Match.NAME),
    ("карнина", "Анна Каренина", Match.SLIP),
    ("山田", "山田 太郎", Match.NAME),
    ("(630) 555-0142", "Ada Lovelace", Match.PHONE),
    ("+1 630 555 0142", "Ada Lovelace", Match.PHONE),
    ("0142", "Ada Lovelace", Match.PHONE),
    ("630.555.01 77", "Jo Smythe", Match.PHONE),
    ("+1 (630) 555-017", "Jo Smythe", Match.PHONE),
    ("020 7946 0133", "Adam Smith", Match.PHONE),
    ("+44 (0)20 7946", "Adam Smith", Match.PHONE),
    ("0044 20 7946 0133", "Adam Smith", Match.PHONE),
    ("ada.love", "Ada Lovelace", Match.NAME),
    ("smith+d", "Adam Smith", Match.EMAIL),
    ("Lovelace@Example", "Ada Lovelace", Match.EMAIL),
    ("desk@mill", "Adam Smith", Match.EMAIL),
    ("@mill.example", "Adam Smith", Match.EMAIL),
    ("taro", "山田 太郎", Match.EMAIL),
]
NOTHING = [
    "",
    " ",
    "a",
    "-",
    "!!",
    "01",
    "a b",
    "%",
    "_",
    "xyzzyx",
    "99999",
    "nobody@example",
    "\\",
]


@transaction
def add(clinic_id: int, make: Make, *people: tuple[str, str | None, str | None]) -> list[int]:
    return [
        patient.find_or_add(clinic_id, Person(name, email, phone, "en"), make.now)[0] for name, email, phone in people
    ]


@pytest.fixture
def known(app: Flask, make: Make, both_databases: str) -> Callable[[str], list[tuple[str, Match | None]]]:
    """Elm's patients, and the same people at Oak; what a search at Elm finds."""
    elm, oak = make.elm, make.clinic(slug="oak", name="Oak Clinic")
    with app.app_context():
        add(oak, make, *PEOPLE)
        add(elm, make, *PEOPLE)

    def search(text: str) -> list[tuple[str, Match | None]]:
        found = patient.search(elm, text, now=make.now)
        clinics = {db.session.get_one(Patient, one.id).clinic_id for one in found}
        assert clinics <= {elm}
        return [(one.name, one.matched) for one in found]

    return search


def test_patients_are_found_by_what_one_remembers(app: Flask, known: Callable[[str], list[tuple[str, Match]]]) -> None:
    with app.app_context():
        wrong = [(typed, known(typed)[:2]) for typed, *first in SEARCHES if known(typed)[:1] != [tuple(first)]]
        assert not wrong, wrong
        assert {typed: known(typed) for typed in NOTHING if known(typed)} == {}


@pytest.mark.usefixtures("both_databases")
def test_whole_words_come_first_and_then_who_came_last(app: Flask, make: Make) -> None:
    people = [make.person(name) for name in ("Annabel Fry", "Ann Fry", "Anna Fry", "Ann Gray")]
    for starts, who in zip(("Tue 09:00", "Tue 10:00", "Tue 11:00", "Wed 09:00"), people, strict=True):
        make.appointment(starts, person=who)
    with app.app_context():
        names = [one.name for one in patient.search(make.elm, "ann", now=make.now)]
    assert names == ["Ann Gray", "Ann Fry", "Anna Fry", "Annabel Fry"]


def test_a_visits_reference_finds_its_patient_however_it_is_read(app: Flask, make: Make) -> None:
    visit = make.appointment("Tue 09:00")
    said = visit.reference.replace("0", "o").replace("1", "l").lower()
    with app.app_context():
        [found] = patient.search(make.elm, f" {said[:4]}-{said[4:]} ", now=make.now)
    assert (found.name, found.matched) == ("Ada Lovelace", Match.REFERENCE)


def test_who_is_found_comes_with_the_days_of_the_last_and_the_next_visit(app: Flask, make: Make) -> None:
    visits = [make.appointment(starts) for starts in ("Tue 09:00", "Wed 09:00", "Thu 09:00")]
    with app.app_context():
        appointments.cancel(make.elm, visits[1].public_id, by=PATIENT, now=make.now)
        [found] = patient.search(make.elm, "ada", now=make.at("Wed 12:00"))
    assert (found.last_on, found.next_on) == (date(2027, 1, 12), date(2027, 1, 14))


def test_patients_from_before_there_were_keys_get_theirs(app: Flask, make: Make) -> None:
    with app.app_context():
        [ada, _] = add(make.elm, make, *PEOPLE[:2])
        db.session.execute(sa.delete(PatientKey))
        db.session.execute(sa.update(Patient).values(keys_version=0))
        db.session.commit()
        assert patient.search(make.elm, "lovelace", now=make.now) == []
        assert patients.write_keys(batch=1) == 2
        assert patients.write_keys() == 0
        assert [one.id for one in patient.search(make.elm, "lovelace", now=make.now)] == [ada]


def test_an_unpronounceable_name_has_keys_that_fit() -> None:
    keys = patient_key.keys_of("ﷺ " * 50, f"{'a.' * 31}b@{'x' * 60}.example", "+999")
    assert keys
    assert max(map(len, keys)) <= patient_key.LENGTH


SOUNDS = [
    ("Smith", "Smyth Schmidt Schmitt Smitt"),
    ("Catherine", "Kathryn Katherine Cathrin"),
    ("Steven", "Stephen Stefan"),
    ("Meyer", "Maier Mayr Meier"),
    ("Geoffrey", "Jeffrey Jeffry"),
    ("Kowalski", "Kovalsky Cowalsky"),
    ("Leigh", "Lee Li"),
    ("Nicholas", "Nikolas Nicolas"),
    ("Wright", "Right Rite"),
    ("Yan", "Jan"),
]


def test_names_that_sound_alike_are_one() -> None:
    for name, others in SOUNDS:
        assert {other: sound(other.lower()) for other in others.split()} == dict.fromkeys(
            others.split(), sound(name.lower())
        )
    assert sound("smith") != sound("jones")


def test_a_slip_is_one_letter_wrong_missing_added_or_two_changed_about() -> None:
    assert {"da", "aa", "ad", "daa", "aad", "adb", "bada", "adab", "aqa"} <= slips("ada")
    assert "ada" not in slips("ada")
    for word in ("lovelace", "ab", "каре"):
        assert all(is_slip(word, slip) and is_slip(slip, word) for slip in slips(word))
    assert not is_slip("abcd", "badc")
    assert not is_slip("lovelace", "lovelcea")
    assert not is_slip("abc", "abcde")


def test_names_fall_into_words() -> None:
    assert words("  María-José d’Ångström Łuczak ") == ["maria", "jose", "d", "angstrom", "luczak"]
    assert together(["maria", "de", "la", "cruz"]) == ["maria", "delacruz"]
    assert together(["van", "de"]) == ["vande"]
