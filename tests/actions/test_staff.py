"""Staff come in by a mailed link that works once, stay for a while, and go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from booking.actions import staff
from booking.actions.staff import Browser
from booking.domain.access import digest
from booking.domain.errors import NotFound
from booking.store import staff as records
from booking.store.base import db, transaction
from booking.store.clinic import Clinic
from booking.store.outbox import Message, facts_of
from booking.store.staff import Session, SignInLink, Staff

pytestmark = pytest.mark.usefixtures("context")
both = pytest.mark.usefixtures("both_databases")

CY = "cy@elm.example"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def elm(context: None, now: datetime) -> int:
    clinic = Clinic(
        slug="elm",
        name="Elm Clinic",
        phone="+442079460142",
        email="desk@elm.example",
        region="GB",
        languages=["en"],
        confirmation="request",
        request_lapses=1440,
        hold_minutes=10,
        minimum_notice=0,
        horizon=60,
        cancellation_notice=0,
        open_visits_per_patient=4,
        before_you_come=[],
        conditions=[],
        created_at=now,
    )
    db.session.add(clinic)
    db.session.commit()
    return clinic.id


@pytest.fixture
def cy(elm: int, now: datetime) -> Iterator[Staff]:
    """Cy was invited, and the invitation's mail is out of the way."""
    staff.invite(elm, CY, name="Cy", role="front-desk", language="en", now=now)
    db.session.execute(sa.delete(Message))
    db.session.execute(sa.delete(SignInLink))
    db.session.commit()
    found = records.by_email(CY)
    assert found is not None
    return found


def mails() -> list[Message]:
    """What has been queued since the last look."""
    found = list(db.session.scalars(sa.select(Message).where(Message.state == "queued").order_by(Message.id)))
    for message in found:
        message.state = "sent"
    db.session.commit()
    return found


def mailed_link(now: datetime) -> str:
    staff.send_sign_in(CY, language="en", now=now)
    return secret_in(facts_of(mails()[-1]).link)


def secret_in(link: str) -> str:
    return link.partition("?")[0].rpartition("/")[2]


@both
def test_an_invitation_makes_the_account_gives_the_role_and_mails_the_link_it_returns(elm: int, now: datetime) -> None:
    link = staff.invite(elm, "Cy@Elm.Example", name="Cy", role="owner", language="en", now=now)
    person = records.by_email(CY)
    assert person is not None
    assert records.role(elm, person.id) == "owner"
    [mail] = mails()
    assert (mail.kind, mail.address, facts_of(mail).link, facts_of(mail).name) == ("sign-in", CY, link, "Cy")
    assert link.startswith("http://localhost/login/li_")


def test_an_invitation_lasts_72_hours_and_no_longer(elm: int, now: datetime) -> None:
    link = secret_in(staff.invite(elm, CY, name="Cy", role="owner", language="en", now=now))
    assert staff.invited(link, now + 72 * HOUR - MINUTE).email == CY
    with pytest.raises(NotFound):
        staff.invited(link, now + 72 * HOUR)


@both
def test_inviting_again_changes_the_role_and_opens_a_disabled_account(elm: int, cy: Staff, now: datetime) -> None:
    cy.disabled_at = now
    db.session.commit()
    link = staff.invite(elm, CY, name="Somebody else", role="owner", language="en", now=now)
    assert staff.invited(secret_in(link), now).name == "Cy"
    assert records.role(elm, cy.id) == "owner"


def test_only_digests_of_the_secrets_are_kept(cy: Staff, now: datetime) -> None:
    link = mailed_link(now)
    session = staff.sign_in(link, now=now)
    assert db.session.scalars(sa.select(SignInLink.digest)).all() == [digest(link)]
    assert db.session.scalars(sa.select(Session.digest)).all() == [digest(session)]
    assert link.encode() not in (db.session.scalar(sa.select(Message.facts)) or b"")


@both
def test_a_link_signs_its_owner_in_once(cy: Staff, now: datetime) -> None:
    link = mailed_link(now)
    session = staff.sign_in(link, now=now)
    assert (found := staff.who(session, now)) is not None
    assert found.email == CY
    with pytest.raises(NotFound):
        staff.sign_in(link, now=now)
    with pytest.raises(NotFound):
        staff.invited(link, now)


def test_looking_at_a_link_does_not_use_it_up(cy: Staff, now: datetime) -> None:
    link = mailed_link(now)
    for _ in range(3):
        assert staff.invited(link, now).name == "Cy"
    assert staff.sign_in(link, now=now)


def test_a_mailed_link_lasts_15_minutes(cy: Staff, now: datetime) -> None:
    link = mailed_link(now)
    with pytest.raises(NotFound):
        staff.sign_in(link, now=now + 15 * MINUTE)
    assert staff.sign_in(link, now=now + 14 * MINUTE)


@both
@pytest.mark.parametrize("link", ["", "li_", "li_of-nobody", "ss_0", "😀", "x" * 5000])
def test_a_link_that_was_never_made_opens_nothing(cy: Staff, now: datetime, link: str) -> None:
    with pytest.raises(NotFound):
        staff.sign_in(link, now=now)


def test_the_link_of_a_disabled_account_opens_nothing(cy: Staff, now: datetime) -> None:
    link = mailed_link(now)
    cy.disabled_at = now
    db.session.commit()
    with pytest.raises(NotFound):
        staff.sign_in(link, now=now)


@pytest.mark.parametrize("address", ["ada@example.com", "cy@elm.example.com"])
def test_an_unknown_address_gets_no_mail_and_leaves_no_trace(cy: Staff, now: datetime, address: str) -> None:
    staff.send_sign_in(address, language="en", now=now)
    assert mails() == []
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Message)) == 0
    assert db.session.scalar(sa.select(sa.func.count()).select_from(SignInLink)) == 0


def test_a_disabled_account_gets_no_mail(cy: Staff, now: datetime) -> None:
    cy.disabled_at = now
    db.session.commit()
    staff.send_sign_in(CY, language="en", now=now)
    assert mails() == []


def test_an_address_in_other_letters_is_the_same_account(cy: Staff, now: datetime) -> None:
    staff.send_sign_in("CY@ELM.example", language="en", now=now)
    assert [mail.address for mail in mails()] == [CY]


def test_the_link_leads_on_to_the_page_that_was_asked_for(cy: Staff, now: datetime) -> None:
    staff.send_sign_in(CY, language="en", then="/desk/elm/requests?a=1&b=2", now=now)
    assert facts_of(mails()[0]).link.endswith("?next=%2Fdesk%2Felm%2Frequests%3Fa%3D1%26b%3D2")


@pytest.mark.parametrize(
    ("uses", "asked", "known"),
    [
        ([], 29 * MINUTE, True),
        ([], 30 * MINUTE, False),
        ([20 * MINUTE], 49 * MINUTE, True),
        ([20 * MINUTE], 50 * MINUTE, False),
        ([n * 20 * MINUTE for n in range(1, 36)], 12 * HOUR - MINUTE, True),
        ([n * 20 * MINUTE for n in range(1, 36)], 12 * HOUR, False),
    ],
)
def test_a_session_ends_after_half_an_hour_idle_or_twelve_hours(
    cy: Staff, now: datetime, uses: list[timedelta], asked: timedelta, known: bool
) -> None:
    session = staff.sign_in(mailed_link(now), now=now)
    for use in uses:
        assert staff.who(session, now + use)
    assert bool(staff.who(session, now + asked)) is known


@both
def test_use_within_the_same_minute_writes_nothing(cy: Staff, now: datetime) -> None:
    session = staff.sign_in(mailed_link(now), now=now)
    staff.who(session, now + timedelta(seconds=59))
    assert db.session.scalar(sa.select(Session.seen_at)) == now


def test_signing_out_ends_the_session_and_may_be_repeated(cy: Staff, now: datetime) -> None:
    session = staff.sign_in(mailed_link(now), now=now)
    other = staff.sign_in(mailed_link(now), now=now)
    for _ in range(2):
        staff.sign_out(session, now)
    assert staff.who(session, now) is None
    assert staff.who(other, now) is not None


@both
def test_signing_in_again_ends_the_session_that_the_browser_had(cy: Staff, now: datetime) -> None:
    first = staff.sign_in(mailed_link(now), now=now)
    second = staff.sign_in(mailed_link(now), browser=Browser(session=first), now=now)
    assert first != second
    assert staff.who(first, now) is None
    assert staff.who(second, now) is not None


def test_disabling_an_account_ends_its_sessions_at_once(cy: Staff, now: datetime) -> None:
    session = staff.sign_in(mailed_link(now), now=now)
    cy.disabled_at = now
    db.session.commit()
    assert staff.who(session, now) is None


@pytest.mark.parametrize("session", ["", "ss_unknown", "li_0"])
def test_an_unknown_session_is_nobody(cy: Staff, now: datetime, session: str) -> None:
    assert staff.who(session, now) is None


@both
def test_pruning_forgets_what_is_over_and_keeps_what_is_not(cy: Staff, now: datetime) -> None:
    old = staff.sign_in(mailed_link(now), now=now)
    later = now + 48 * HOUR
    session, link = staff.sign_in(mailed_link(later), now=later), mailed_link(later)
    transaction(records.prune)(later - 24 * HOUR)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Session)) == 1
    assert staff.who(old, now) is None
    assert staff.who(session, later) is not None
    assert staff.invited(link, later).name == "Cy"
