"""Keeping the audit: what was looked at goes into the chains, and where they end is kept outside the database."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from booking.domain.access import Caller
from booking.domain.audit import Action
from booking.formats import table
from booking.store import audit
from booking.store.audit import SignedHead, Wanted
from booking.store.base import settings, transaction

note = transaction(audit.note)
chain_notes = transaction(audit.chain_notes)


COLUMNS = ("number", "at", "by", "who", "action", "object", "facts", "hash")


@transaction
def export(clinic_id: int, wanted: Wanted, *, by: Caller, now: datetime) -> str:
    """The entries that are wanted as CSV, oldest first, instants in UTC; that somebody took them is recorded too."""
    found = audit.search(clinic_id, wanted)
    audit.record(clinic_id, Action.AUDIT_EXPORTED, by=by, now=now, entries=str(len(found)))
    people = {id: person.email for id, person in audit.authors(found).items()}
    rows = (
        (
            entry.seq,
            entry.at.isoformat(),
            entry.by_kind,
            people[entry.by_id] if entry.by_kind == "staff" and entry.by_id in people else entry.by_id,
            entry.action,
            entry.object,
            json.dumps(entry.facts, sort_keys=True),
            entry.hash.hex(),
        )
        for entry in reversed(found)
    )
    return table.write([COLUMNS, *rows])


def heads(now: datetime) -> list[SignedHead]:
    """Where each chain ends now, signed."""
    return [signed for clinic_id in audit.chains() if (signed := audit.signed_head(clinic_id, now))]


def keep_heads(now: datetime) -> None:
    """Once a day (UTC) add the signed heads to the file in the instance folder. Copied elsewhere, it is worth most."""
    path = heads_file()
    last = path.read_text("utf-8").splitlines()[-1:] if path.exists() else []
    if last and datetime.fromisoformat(json.loads(last[0])["at"]).date() == now.date():
        return
    lines = [as_line(head) + "\n" for head in heads(now)]
    with path.open("a", encoding="utf-8") as file:
        file.writelines(lines)


def heads_file() -> Path:
    """Where the worker keeps the heads."""
    return settings().instance / "audit-heads.jsonl"


def as_line(head: SignedHead) -> str:
    """A head as a line of JSON."""
    return json.dumps({**asdict(head), "at": head.at.isoformat()})


def kept_heads(path: Path) -> list[SignedHead]:
    """The heads in a file of such lines; none if there is no file. Raises ValueError for a line that is not as we
    signed it."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [_head(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]


def _head(line: str, where: str) -> SignedHead:
    try:
        said = json.loads(line)
        head = SignedHead(**{**said, "at": datetime.fromisoformat(said["at"])})
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"{where} is not the end of a chain") from None
    if not audit.is_genuine(head):
        raise ValueError(f"{where} was not signed with this installation's field key, or was changed since")
    return head
