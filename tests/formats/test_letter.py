from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest

from booking.domain.message import Facts, Kind, Link, Method, Recipient, Was
from booking.formats import letter, mime
from booking.formats.mime import Letter
from tests.formats.cast import ELM, STARTS, VISIT, visit

PATIENTS = (
    Kind.REQUESTED,
    Kind.BOOKED,
    Kind.CONFIRMED,
    Kind.OFFERED,
    Kind.MOVED,
    Kind.CHANGED,
    Kind.CANCELLED,
    Kind.CALLED_OFF,
    Kind.MISTAKE,
    Kind.CHOOSE,
    Kind.DECLINED,
    Kind.LAPSED,
    Kind.REMINDER,
)
PRACTITIONERS = (
    Kind.BOOKED,
    Kind.CONFIRMED,
    Kind.MOVED,
    Kind.CHANGED,
    Kind.CANCELLED,
    Kind.CALLED_OFF,
    Kind.MISTAKE,
    Kind.REPLACED,
    Kind.ELSEWHERE,
)
CLINICS = (Kind.REQUESTED, Kind.BOOKED, Kind.MOVED, Kind.CANCELLED, Kind.LAPSED)

WAS = Was(
    starts_at=STARTS - timedelta(days=3),
    ends_at=STARTS - timedelta(days=3) + timedelta(minutes=45),
    location="Elm Road",
    practitioner="Bo Andersen",
    practitioner_address="bo@elm.example",
    patient_address="ada@example.com",
    uid=VISIT.uid,
    sequence=0,
)


class Reader(HTMLParser):
    """What a mail program shows: words, links and what it would load."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.words += " ".join(data.split()) + " "


def written(kind: Kind = Kind.BOOKED, role: Recipient = Recipient.PATIENT, **changes: object) -> Letter:
    facts = changes.pop("facts", Facts())
    method = changes.pop("method", None)
    assert isinstance(facts, Facts)
    assert method is None or isinstance(method, Method)
    return letter.about_visit(kind, role, visit(**changes), facts=facts, method=method)


@pytest.mark.parametrize("kind", PATIENTS)
def test_every_mail_to_a_patient_says_when_where_and_whom_to_call_in_both_parts(kind: Kind) -> None:
    mail = written(kind, facts=Facts(was=WAS))
    html = Reader(mail.html)
    for said in (
        "Monday, 11 January 2027",
        "09:00 to 09:45 (London time)",
        "With Bo Andersen",
        "020 7946 0123",
        "12 Elm Road",
        "blue door",
        "Bus 19",
        "Two places",
        "No steps",
        "Reference: 7K4M2QXA",
    ):
        assert said in mail.text
        assert said in html.words
    assert VISIT.manage_url in mail.text.splitlines()
    assert VISIT.manage_url in html.links
    assert "tel:+442079460123" in html.links
    assert "google.com/maps" in mail.text
    assert any("google.com/maps" in link for link in html.links)


@pytest.mark.parametrize("kind", PATIENTS)
def test_mails_are_small_and_load_nothing(kind: Kind) -> None:
    mail = written(kind)
    assert len(mail.html.encode()) < 15_000
    assert not {"img", "script", "link", "iframe", "form"} & set(Reader(mail.html).tags)
    assert "color-scheme" in mail.html
    long = [line for line in mail.text.splitlines() if len(line) > 77 and not line.startswith("https://")]
    assert long == []
    mime.header(mail.subject)


SUBJECTS = [
    (Kind.REQUESTED, "Not yet confirmed: Mon 11 Jan, 09:00 at Elm Clinic"),
    (Kind.BOOKED, "Mon 11 Jan, 09:00: your visit at Elm Clinic"),
    (Kind.CONFIRMED, "Confirmed: Mon 11 Jan, 09:00, your visit at Elm Clinic"),
    (Kind.OFFERED, "Another time for you: Mon 11 Jan, 09:00 at Elm Clinic"),
    (Kind.MOVED, "Moved to Mon 11 Jan, 09:00: your visit at Elm Clinic"),
    (Kind.CHANGED, "Changed: Mon 11 Jan, 09:00, your visit at Elm Clinic"),
    (Kind.CANCELLED, "Cancelled: Mon 11 Jan, 09:00 at Elm Clinic"),
    (Kind.CALLED_OFF, "Cancelled: Mon 11 Jan, 09:00 at Elm Clinic"),
    (Kind.MISTAKE, "Cancelled: Mon 11 Jan, 09:00 at Elm Clinic"),
    (Kind.CHOOSE, "Please choose another time: Mon 11 Jan, 09:00 at Elm Clinic"),
    (Kind.DECLINED, "Not booked: Mon 11 Jan, 09:00 at Elm Clinic"),
    (Kind.LAPSED, "Not booked: Mon 11 Jan, 09:00 at Elm Clinic"),
    (Kind.ELSEWHERE, "Cancelled: Mon 11 Jan, 09:00 at Elm Clinic"),
]


@pytest.mark.parametrize(("kind", "subject"), SUBJECTS)
def test_the_subject_says_what_happened_and_when(kind: Kind, subject: str) -> None:
    assert written(kind).subject == subject


def test_american_mails_write_dates_and_times_their_way() -> None:
    mail = written(region="US", zone="America/Chicago", phone="+16305550142", starts_at=STARTS + timedelta(hours=6))
    assert mail.subject == "Mon, Jan 11, 9:00 am: your visit at Elm Clinic"
    assert "(630) 555-0142" in mail.text


def test_a_request_never_reads_as_booked() -> None:
    until = datetime(2027, 1, 6, 17, 0, tzinfo=UTC)
    mail = written(Kind.REQUESTED, answer_by=until)
    assert "not yet confirmed" in mail.text
    assert "We answer by Wed 6 Jan, 17:00" in " ".join(mail.text.split())
    assert "You are booked" not in mail.text + mail.html


def test_an_offer_says_until_when_it_stands() -> None:
    mail = written(Kind.OFFERED, answer_by=datetime(2027, 1, 6, 17, 0, tzinfo=UTC), facts=Facts(message="Sorry!\nBo"))
    assert "by Wed 6 Jan, 17:00" in " ".join(mail.text.split())
    assert "Sorry!\nBo" in mail.text
    assert "Sorry!<br>Bo" in mail.html
    assert "Answer" in mail.html


def test_a_moved_visit_says_where_it_was() -> None:
    assert "It was Fri 8 Jan, 09:00." in written(Kind.MOVED, facts=Facts(was=WAS)).text


def test_the_last_moment_for_changes_is_said_or_the_phone_instead() -> None:
    assert "online until Sun 10 Jan, 21:00" in written().text
    assert "To change or cancel, please call us." in written(change_until=None).text
    assert "To change or cancel" not in written(Kind.CANCELLED, change_until=None).text


def test_what_to_do_before_is_said_only_of_visits_to_come() -> None:
    assert "Eat something light" in written(Kind.MOVED).text
    assert "Eat something light" not in written(Kind.CALLED_OFF).text


def test_the_invitation_is_explained_where_there_is_one() -> None:
    assert "press Yes or Accept" in written(method=Method.REQUEST).text
    assert "taken out of your calendar" in written(Kind.CANCELLED, method=Method.CANCEL).text
    assert "calendar" not in written(Kind.CANCELLED).text


@pytest.mark.parametrize("kind", [Kind.BOOKED, Kind.MOVED, Kind.CANCELLED, Kind.REMINDER])
def test_a_family_with_one_address_reads_whose_visit_it_is(kind: Kind) -> None:
    mail = written(kind, patient="Dan <b>\r\nPotter", facts=Facts(was=WAS))
    assert "  For Dan <b> Potter" in mail.text.splitlines()
    assert "For Dan &lt;b&gt; Potter" in mail.html


def test_the_service_is_named_only_by_its_public_name() -> None:
    assert "Follow-up with Bo Andersen" in written(public_name="Follow-up").text


def test_an_address_that_is_no_longer_the_patients_learns_nothing_and_gets_no_link() -> None:
    mail = written(Kind.ELSEWHERE, method=Method.CANCEL)
    for hidden in (VISIT.manage_url, "7K4M2QXA", "Ada"):
        assert hidden not in mail.text + mail.html


@pytest.mark.parametrize(
    ("kind", "role"),
    [(kind, Recipient.PRACTITIONER) for kind in PRACTITIONERS] + [(kind, Recipient.CLINIC) for kind in CLINICS],
)
def test_the_clinics_people_get_initials_and_a_link_to_the_desk(kind: Kind, role: Recipient) -> None:
    mail = written(kind, role, manage_url="https://booking.example.com/desk/elm/requests", facts=Facts(was=WAS))
    whole = mail.subject + mail.text + mail.html
    assert "Lovelace" not in whole
    assert mail.subject.endswith(": Mon 11 Jan, 09:00")
    assert "A. L. with Bo Andersen" in mail.text
    assert "https://booking.example.com/desk/elm/requests" in mail.text.splitlines()
    assert "address" not in mail.text


@pytest.mark.parametrize(
    ("kind", "role", "has_way"),
    [
        (Kind.BOOKED, Recipient.PRACTITIONER, True),
        (Kind.MOVED, Recipient.PRACTITIONER, True),
        (Kind.CANCELLED, Recipient.PRACTITIONER, False),
        (Kind.REPLACED, Recipient.PRACTITIONER, False),
        (Kind.BOOKED, Recipient.CLINIC, False),
    ],
)
def test_a_practitioner_is_told_the_way_to_a_visit_that_stands(kind: Kind, role: Recipient, has_way: bool) -> None:
    mail = written(kind, role, facts=Facts(was=WAS))
    assert ("google.com/maps" in mail.text) == ("blue door" in mail.text) == has_way


def test_text_from_people_can_not_become_html() -> None:
    nasty = "<img src=x onerror=alert(1)>\"&'\x00\u202e"
    mail = written(directions=nasty, address=(nasty,), practitioner=nasty, clinic=nasty, facts=Facts(message=nasty))
    assert "img" not in Reader(mail.html).tags
    assert "&lt;img src=x" in mail.html
    assert "\x00" not in mail.html + mail.text + mail.subject
    assert "\u202e" not in mail.html + mail.text + mail.subject


def test_only_web_addresses_become_links() -> None:
    mail = written(map_url="javascript:alert(1)", manage_url="javascript:alert(1)")
    assert "javascript" not in mail.html + mail.text


def test_the_limit_mail_asks_to_call() -> None:
    mail = letter.limit(ELM)
    assert "020 7946 0123" in mail.text
    assert "please call us" in mail.text
    assert "visit was asked for in your name" in mail.html


def test_lost_links_are_listed_with_their_days() -> None:
    links = (
        Link("https://booking.example.com/a/mg_1", STARTS, "Europe/London", "Elm Road"),
        Link("https://booking.example.com/a/mg_2", STARTS + timedelta(days=7), "Europe/London", "Elm Road"),
    )
    mail = letter.lost_link(ELM, Facts(links=links))
    assert "Monday, 11 January 2027, 09:00, Elm Road:\nhttps://booking.example.com/a/mg_1\n" in mail.text
    assert [link for link in Reader(mail.html).links if "/a/" in link] == [link.url for link in links]


def test_a_sign_in_mail_has_the_link_and_says_until_when() -> None:
    facts = Facts(name="Cy", link="https://booking.example.com/login/li_1", expires_at=STARTS)
    mail = letter.sign_in(ELM, facts, zone="Europe/London")
    assert "https://booking.example.com/login/li_1" in mail.text.splitlines()
    assert "until Mon 11 Jan, 09:00 (London time)" in mail.text


@pytest.mark.parametrize("kind", sorted(letter.SECURITY))
def test_a_mail_about_the_account_says_what_when_and_what_to_do(kind: Kind) -> None:
    facts = Facts(name="Cy", message="Firefox on Windows", link="https://booking.example.com/account")
    mail = letter.security(kind, ELM, facts, at=STARTS, zone="Europe/London")
    assert mail.subject.endswith(": Elm Clinic")
    assert "  Mon 11 Jan, 09:00 (London time)\n  Firefox on Windows\n" in mail.text
    assert "If it was not you, choose a new password" in mail.text
    assert "https://booking.example.com/account" in mail.text.splitlines()


def test_a_mail_without_a_clinic_has_no_phone() -> None:
    head = replace(ELM, clinic="booking.example.com", phone="", email="", region="")
    mail = letter.sign_in(head, Facts(link="https://booking.example.com/login/li_1"), zone="UTC")
    assert "Phone" not in mail.text
    assert mail.subject == "Sign in: booking.example.com"
