"""Answers to an invite as mail programs write them. What is asked for goes into the braces."""

from __future__ import annotations

import base64

GMAIL = """\
MIME-Version: 1.0
Date: Mon, 11 Jan 2027 07:59:00 +0000
Message-ID: <calendar-1f@google.com>
Subject: {status}: Appointment at Elm Clinic @ Mon 11 Jan 2027 9am - 9:30am (GMT)
From: Ada Lovelace <{sender}>
To: {organizer}
Sender: Google Calendar <calendar-notification@google.com>
Auto-Submitted: auto-generated
Content-Type: multipart/mixed; boundary="0000000000008e"

--0000000000008e
Content-Type: multipart/alternative; boundary="0000000000008c"

--0000000000008c
Content-Type: text/plain; charset="UTF-8"; format=flowed; delsp=yes
Content-Transfer-Encoding: base64

QWRhIGhhcyBhbnN3ZXJlZC4=

--0000000000008c
Content-Type: text/html; charset="UTF-8"
Content-Transfer-Encoding: quoted-printable

<p>Ada has answered =E2=80=93 as asked</p>

--0000000000008c
Content-Type: text/calendar; charset="UTF-8"; method={method}
Content-Transfer-Encoding: 7bit

{calendar}
--0000000000008c--

--0000000000008e
Content-Type: application/ics; name="invite.ics"
Content-Disposition: attachment; filename="invite.ics"
Content-Transfer-Encoding: base64

{encoded}
--0000000000008e--
"""
GMAIL_EVENT = """\
BEGIN:VCALENDAR
PRODID:-//Google Inc//Google Calendar 70.9054//EN
VERSION:2.0
CALSCALE:GREGORIAN
METHOD:{method}
BEGIN:VEVENT
DTSTART:{starts}
DTEND:{ends}
DTSTAMP:{stamp}
ORGANIZER;CN=Elm Clinic:mailto:{organizer}
UID:{uid}
ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT={status};CN=Ada L
 ovelace;X-NUM-GUESTS=0;X-RESPONSE-COMMENT="I&#39\\;m late: 5 min; ok?":mailto:{sender}
CREATED:20270104T093000Z
DESCRIPTION:-::~:~::~:~:~:~:~:~::-\\nText
LAST-MODIFIED:{stamp}
SEQUENCE:{sequence}
STATUS:CONFIRMED
SUMMARY:Something else: UID:x
TRANSP:OPAQUE
END:VEVENT
END:VCALENDAR
"""
OUTLOOK = """\
Authentication-Results: mx.elm.example; dkim=pass (2048-bit key) header.d=example.com; \
dmarc=pass (p=none) header.from=example.com
From: "Lovelace, Ada" <{sender}>
To: Elm Clinic <{organizer}>
Subject: Accepted: Appointment at Elm Clinic
Thread-Topic: Appointment at Elm Clinic
Content-Language: en-GB
x-ms-exchange-calendar-originator-id: x
Content-Type: multipart/alternative;
\tboundary="_000_AM0PR0Xeurprd_"
MIME-Version: 1.0

--_000_AM0PR0Xeurprd_
Content-Type: text/plain; charset="iso-8859-1"
Content-Transfer-Encoding: quoted-printable


--_000_AM0PR0Xeurprd_
Content-Type: text/calendar; charset="utf-8"; method={method}
Content-Transfer-Encoding: base64

{encoded}
--_000_AM0PR0Xeurprd_--
"""
OUTLOOK_EVENT = """\
BEGIN:VCALENDAR
METHOD:{method}
PRODID:Microsoft Exchange Server 2010
VERSION:2.0
BEGIN:VTIMEZONE
TZID:GMT Standard Time
BEGIN:STANDARD
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0000
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T010000
TZOFFSETFROM:+0000
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
BEGIN:VEVENT
ATTENDEE;PARTSTAT={status};CN="Lovelace, Ada":MAILTO:{sender}
COMMENT;LANGUAGE=en-GB:I can come\\, but later\\nplease
UID:{uid}
SUMMARY;LANGUAGE=en-GB:Accepted: Appointment at Elm Clinic
DTSTART;TZID=GMT Standard Time:{starts}
DTEND;TZID=GMT Standard Time:{ends}
CLASS:PRIVATE
PRIORITY:5
DTSTAMP:{stamp}
TRANSP:OPAQUE
STATUS:CONFIRMED
SEQUENCE:{sequence}
LOCATION;LANGUAGE=en-GB:Elm House
X-MICROSOFT-CDO-APPT-SEQUENCE:{sequence}
X-MICROSOFT-CDO-BUSYSTATUS:BUSY
X-MS-OLK-ORIGINALSTART:20270111T090000Z
BEGIN:VALARM
DESCRIPTION:REMINDER
TRIGGER;RELATED=START:-PT15M
ACTION:DISPLAY
END:VALARM
END:VEVENT
END:VCALENDAR
"""
APPLE = """\
From: {sender}
Content-Type: multipart/alternative;
\tboundary="Apple-Mail=_5A"
Mime-Version: 1.0 (1.0)
Subject: Ada Lovelace has accepted your invitation
To: {organizer}
X-Mailer: iPhone Mail (23A341)

--Apple-Mail=_5A
Content-Transfer-Encoding: 7bit
Content-Type: text/plain;
\tcharset=us-ascii

--Apple-Mail=_5A
Content-Transfer-Encoding: quoted-printable
Content-Type: TEXT/CALENDAR;
\tname="reply.ics";
\tmethod={method};
\tcharset=utf-8

{quoted}
--Apple-Mail=_5A--
"""
APPLE_EVENT = """\
BEGIN:VCALENDAR
CALSCALE:GREGORIAN
METHOD:{method}
PRODID:-//Apple Inc.//iOS 20.1//EN
VERSION:2.0
BEGIN:VEVENT
ATTENDEE;CN="Ada Lovelace";CUTYPE=INDIVIDUAL;PARTSTAT={status}:mailto:{sender}
DTEND;TZID=Europe/London:{ends}
DTSTAMP:{stamp}
DTSTART;TZID=Europe/London:{starts}
ORGANIZER;CN="Elm Clinic":mailto:{organizer}
SEQUENCE:{sequence}
SUMMARY:Café ☕ at Elm Clinic
UID:{uid}
END:VEVENT
END:VCALENDAR
"""
THUNDERBIRD = """\
Message-ID: <a@example.com>
Date: Mon, 11 Jan 2027 07:59:00 +0000
MIME-Version: 1.0
User-Agent: Mozilla Thunderbird
From: Ada Lovelace <{sender}>
To: {organizer}
Subject: Invitation Reply (Accepted): Appointment at Elm Clinic
Content-class: urn:content-classes:calendarmessage
Content-Type: text/calendar; method={method}; charset=UTF-8
Content-Transfer-Encoding: 8bit

{calendar}
"""
THUNDERBIRD_EVENT = """\
begin:vcalendar
PRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN
VERSION:2.0
method:{method}
begin:vevent
LAST-MODIFIED:{stamp}
DTSTAMP:{stamp}
uid:{uid}
SUMMARY:Termin
organizer:mailto:{organizer}
attendee;cn=Ada Lovelace;partstat={status};cutype=INDIVIDUAL;RSVP=TRUE;
 role=REQ-PARTICIPANT:mailto:{sender}
DTSTART;TZID=/freeassociation.sourceforge.net/Europe/London:{starts}
DTEND;TZID=/freeassociation.sourceforge.net/Europe/London:{ends}
SEQUENCE:{sequence}
end:vevent
end:vcalendar
"""
PROGRAMS = {
    "gmail": (GMAIL, GMAIL_EVENT),
    "outlook": (OUTLOOK, OUTLOOK_EVENT),
    "apple": (APPLE, APPLE_EVENT),
    "thunderbird": (THUNDERBIRD, THUNDERBIRD_EVENT),
}


def written(
    program: str,
    *,
    uid: str,
    organizer: str,
    sender: str = "ada@example.com",
    attendee: str = "",
    method: str = "REPLY",
    status: str = "ACCEPTED",
    sequence: int = 0,
    stamp: str = "20270111T075900Z",
    starts: str = "20270111T090000",
    ends: str = "20270111T093000",
) -> bytes:
    """The answer as this program writes it. `starts` and `ends` are London's wall clock; `attendee` is the sender."""
    mail, event = PROGRAMS[program]
    z = "Z" if program == "gmail" else ""  # its times are UTC, which is London's clock in winter
    facts = {"uid": uid, "organizer": organizer, "method": method, "status": status, "sequence": sequence}
    facts |= {"stamp": stamp, "starts": starts + z, "ends": ends + z}
    calendar = event.format(sender=attendee or sender, **facts).replace("\n", "\r\n")
    encoded = base64.encodebytes(calendar.encode()).decode()
    quoted = calendar.replace("=", "=3D").replace("é", "=C3=A9").replace("☕", "=E2=98=\r\n=95")
    text = mail.format(sender=sender, calendar=calendar, encoded=encoded, quoted=quoted, **facts)
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


BOUNCE = """\
From: Mail Delivery System <MAILER-DAEMON@mx.example.com>
To: booking@elm.example
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="B1"

--B1
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.com.

--B1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
Arrival-Date: Mon, 11 Jan 2027 08:00:00 +0000

Final-Recipient: rfc822; ada@example.com
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User unknown

--B1
Content-Type: {returned}

From: booking@elm.example
Message-ID: {message_id}
Subject: You are booked

--B1--
"""


def bounce(message_id: str, *, action: str = "failed", returned: str = "message/rfc822") -> bytes:
    """What Postfix sends back."""
    text = BOUNCE.format(message_id=message_id, action=action, returned=returned)
    return text.replace("\n", "\r\n").encode()
