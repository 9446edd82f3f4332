from __future__ import annotations

from dataclasses import replace
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default

import pytest
from icalendar import Calendar

from booking.domain.message import Method
from booking.formats import itip, mime
from booking.formats.mime import BadHeader, Envelope, Letter
from tests.formats.cast import ADA, MADE, VISIT

LETTER = Letter(
    "Mon 11 Jan, 09:00: your visit at Elm Clinic", "You are booked.\nÉlan\n", "<p>You are booked. Élan</p>\n"
)
ENVELOPE = Envelope(
    sender="booking@mail.example.com",
    sender_name="Elm Clinic",
    reply_to="desk@elm.example",
    to="ada@example.com",
    message_id="<2@mail.example.com>",
    first_id="<1@mail.example.com>",
    date=MADE,
)


def built(letter: Letter = LETTER, envelope: Envelope = ENVELOPE, method: Method | None = None) -> bytes:
    invite = None
    if method is not None:
        written = {
            Method.REQUEST: itip.request,
            Method.CANCEL: itip.cancel,
            Method.DECLINECOUNTER: itip.decline_counter,
        }
        invite = written[method](VISIT, ADA)
    return mime.build(letter, envelope, invite=invite, method=method)


def read(data: bytes) -> EmailMessage:
    found = message_from_bytes(data, _class=EmailMessage, policy=default)
    assert isinstance(found, EmailMessage)
    assert not found.defects
    return found


@pytest.mark.parametrize("method", list(Method))
def test_the_invite_is_the_last_alternative_and_once_more_a_file(method: Method) -> None:
    mail = read(built(method=method))
    assert mail.get_content_type() == "multipart/mixed"
    alternative, file = mail.iter_parts()
    text, html, calendar = alternative.iter_parts()
    assert [part.get_content_type() for part in (text, html, calendar)] == ["text/plain", "text/html", "text/calendar"]
    assert calendar["Content-Disposition"] is None
    assert file.get_content_type() == "application/ics"
    assert (file.get_content_disposition(), file.get_filename()) == ("attachment", "invite.ics")
    assert file.get_payload(decode=True) == calendar.get_payload(decode=True)


@pytest.mark.parametrize("method", list(Method))
def test_the_method_is_the_same_in_the_header_and_in_the_body(method: Method) -> None:
    calendar = next(part for part in read(built(method=method)).walk() if part.get_content_type() == "text/calendar")
    params = calendar["Content-Type"].params
    body = calendar.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert params["method"] == Calendar.from_ical(body)["METHOD"] == method.value
    assert params["charset"].upper() == "UTF-8"


def test_no_bare_line_feed_is_anywhere() -> None:
    data = built(method=Method.REQUEST)
    assert b"\n" not in data.replace(b"\r\n", b"")
    body = next(p for p in read(data).walk() if p.get_content_type() == "text/calendar").get_payload(decode=True)
    assert isinstance(body, bytes)
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert max(len(line) for line in data.split(b"\r\n")) <= 998
    data.decode("ascii")


def test_without_an_invite_there_are_text_and_html() -> None:
    mail = read(built())
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert "Élan" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_headers_say_from_whom_to_whom_and_what_it_follows() -> None:
    mail = read(built())
    assert mail["From"] == "Elm Clinic <booking@mail.example.com>"
    assert (mail["To"], mail["Reply-To"]) == ("ada@example.com", "desk@elm.example")
    assert (mail["Message-ID"], mail["In-Reply-To"], mail["References"]) == (
        "<2@mail.example.com>",
        "<1@mail.example.com>",
        "<1@mail.example.com>",
    )
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == MADE


def test_the_first_mail_follows_nothing() -> None:
    for first_id in ("", ENVELOPE.message_id):
        mail = read(built(envelope=replace(ENVELOPE, first_id=first_id)))
        assert mail["In-Reply-To"] is None
        assert mail["References"] is None


@pytest.mark.parametrize(
    "text",
    [
        "x =?UTF-8?Q?=0ABcc:_eve@example.com?=",
        "x\r\nBcc: eve@example.com",
        "x\nBcc: eve@example.com",
        "x\n",
        "x\r",
        "x\x00",
        "x\x0b",
        "x\x85y",
        "x\u2028Bcc: eve@example.com",
        "x\u2029",
        "x\ud800",
        "x\x9b",
    ],
)
def test_no_text_can_add_a_header(text: str) -> None:
    """CVE-2024-6923 on interpreters without the fix: an encoded word in a subject became a real Bcc line."""
    with pytest.raises(BadHeader):
        mime.header(text)
    with pytest.raises(BadHeader):
        built(replace(LETTER, subject=text))
    with pytest.raises(BadHeader):
        built(envelope=replace(ENVELOPE, sender_name=text))


@pytest.mark.parametrize(
    "name", ["Elm, North & Co.", 'Elm "North"', "Élm 針", "Elm <eve@example.com>", "a@b, c@d", "𝄞" * 10]
)
def test_a_clinics_name_stays_a_name(name: str) -> None:
    mail = read(built(envelope=replace(ENVELOPE, sender_name=name)))
    assert [(box.display_name, box.addr_spec) for box in mail["From"].addresses] == [(name, "booking@mail.example.com")]
    assert mail["Bcc"] is None


@pytest.mark.parametrize("field", ["to", "sender", "reply_to"])
def test_each_address_field_holds_exactly_one_address(field: str) -> None:
    with pytest.raises(itip.BadAddress):
        built(envelope=replace(ENVELOPE, **{field: "ada@example.com, eve@example.com"}))


def test_long_and_foreign_subjects_come_back_whole() -> None:
    subject = "Tue, Nov 24, 9:20 am: your visit at " + "Élan 針灸 " * 15 + "Clinic"
    data = built(replace(LETTER, subject=subject), replace(ENVELOPE, sender_name=subject))
    # Read by the older parser: the newer one puts spaces between the words of a long name.
    mail = message_from_bytes(data)
    assert str(make_header(decode_header(mail["Subject"]))) == subject
    assert str(make_header(decode_header(mail["From"]))) == f"{subject} <booking@mail.example.com>"
    assert max(len(line) for line in data.split(b"\r\n\r\n")[0].split(b"\r\n")) <= 100
