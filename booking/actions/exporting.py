"""Moving out: all that a clinic has, or all that it has about one patient, as files that other programs read.

That it was taken is recorded, in the clinic's audit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from booking.domain import audit as said
from booking.domain.access import Caller
from booking.domain.audit import Action, thing
from booking.domain.moving import Row
from booking.formats import parcel, table, visits_ical, visits_table
from booking.formats.parcel import Parcel, Write
from booking.store import audit, schema, takeout
from booking.store.base import db, transaction
from booking.store.clinic import Clinic
from booking.store.takeout import Record

# What `booking import` reads, then what it does not.
VISITS = (*visits_table.COLUMNS, "id", "reference", "patient id", "zone", "ended at", "room", "language", "made at")
PATIENTS = ("name", "email", "phone", "language", "id", "made at", "merged into")
MESSAGES = ("visit", "kind", "role", "method", "address", "state", "created_at", "ended_at", "message_id", "error")
STAFF = ("email", "name", "role")
AUDIT = ("number", "at", "by", "action", "object", "facts", "hash")
AT_ONCE = 500  # rows of a table made into text at once


def everything(clinic: Clinic, target: Path, *, clinic_file: str, by: Caller, now: datetime) -> dict[str, int]:
    """Write all of a clinic's data into a new folder or zip; how many there are of what.

    `clinic_file` is the clinic's settings as a file. Raises FileExistsError, and InvalidTag where the field key is
    not the one that the notes were sealed with.
    """
    clinic_id = clinic.id
    counts: dict[str, int] = {}
    with takeout.snapshot() as connection, parcel.packed(target, _facts(clinic, now, counts)) as packed:
        with packed.file("clinic.toml") as write:
            write(clinic_file)
        counts["patients"] = _json(packed, "patients.json", takeout.patients(connection, clinic_id))
        _csv(packed, "patients.csv", PATIENTS, map(_patient, takeout.patients(connection, clinic_id)))
        counts["visits"] = _json(packed, "visits.json", takeout.visits(connection, clinic_id))
        _csv(packed, "visits.csv", VISITS, map(_visit, takeout.visits(connection, clinic_id)))
        _ics(packed, "visits.ics", takeout.visits(connection, clinic_id))
        counts["messages"] = _csv(packed, "messages.csv", MESSAGES, takeout.messages(connection, clinic_id))
        counts["staff"] = _csv(packed, "staff.csv", STAFF, takeout.people(connection, clinic_id))
        counts["audit"] = _csv(packed, "audit.csv", AUDIT, map(_entry, takeout.chain(connection, clinic_id)))
    _recorded(clinic_id, Action.CLINIC_EXPORTED, by, now, "", counts)
    return counts


def of_patient(clinic: Clinic, patient: str, target: Path, *, by: Caller, now: datetime) -> dict[str, int]:
    """Write all data of one patient, by public id or by the reference of a visit, into a new folder or zip.

    Raises NotFound, and like `everything`.
    """
    someone = takeout.whose(clinic.id, patient)
    counts: dict[str, int] = {}
    ids, asked = takeout.records(someone.id), (clinic.id,)
    with takeout.snapshot() as connection, parcel.packed(target, _facts(clinic, now, counts)) as packed:
        counts["patients"] = _json(packed, "patients.json", takeout.patients(connection, *asked, ids))
        counts["visits"] = _json(packed, "visits.json", takeout.visits(connection, *asked, ids))
        _csv(packed, "visits.csv", VISITS, map(_visit, takeout.visits(connection, *asked, ids)))
        _ics(packed, "visits.ics", takeout.visits(connection, *asked, ids))
        counts["messages"] = _csv(packed, "messages.csv", MESSAGES, takeout.messages(connection, *asked, ids))
    _recorded(clinic.id, Action.PATIENT_EXPORTED, by, now, thing(said.Kind.PATIENT, someone.id), counts)
    return counts


def patient_text(clinic: Clinic, patient: str, *, by: Caller, now: datetime) -> str:
    """All data of one patient as one JSON text. Raises NotFound and InvalidTag."""
    someone = takeout.whose(clinic.id, patient)
    ids = takeout.records(someone.id)
    with takeout.snapshot() as connection:
        found = {
            "clinic": clinic.name,
            "made_at": now.isoformat(),
            "patients": list(takeout.patients(connection, clinic.id, ids)),
            "visits": list(takeout.visits(connection, clinic.id, ids)),
            "messages": list(takeout.messages(connection, clinic.id, ids)),
        }
    _recorded(clinic.id, Action.PATIENT_EXPORTED, by, now, thing(said.Kind.PATIENT, someone.id), {})
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


@transaction
def _recorded(clinic_id: int, action: Action, by: Caller, now: datetime, object: str, counts: dict[str, int]) -> None:
    facts = {name: str(count) for name, count in counts.items()}
    audit.record(clinic_id, action, by=by, now=now, object=object, **facts)


def _facts(clinic: Clinic, now: datetime, counts: dict[str, int]) -> dict[str, object]:
    """What the manifest says beside the files; `counts` are filled in meanwhile."""
    return {
        "clinic": clinic.slug,
        "made_at": now.isoformat(),
        "schema": schema.current(db.engine),
        "counts": counts,
    }


def _csv(packed: Parcel, name: str, columns: tuple[str, ...], records: Iterable[Record]) -> int:
    """Write a table; the number of its rows without the head."""
    rows = ([record.get(column) for column in columns] for record in records)
    count = 0
    with packed.file(name) as write:
        write("\ufeff" + table.write([columns]))  # by the mark Excel knows that it is UTF-8
        while portion := list(islice(rows, AT_ONCE)):
            write(table.write(portion))
            count += len(portion)
    return count


def _json(packed: Parcel, name: str, records: Iterator[Record]) -> int:
    """Write a list, one record to a line; their number."""
    count = 0
    with packed.file(name) as write:
        for record in records:
            write((",\n" if count else "[\n") + json.dumps(record, ensure_ascii=False))
            count += 1
        write("\n]\n" if count else "[]\n")
    return count


def _ics(packed: Parcel, name: str, records: Iterator[Record]) -> None:
    with packed.file(name) as write:
        _events(write, records)


def _events(write: Write, records: Iterator[Record]) -> None:
    write(visits_ical.HEAD)
    for record in records:
        write(visits_ical.event(record["uid"], record["sequence"], record["updated_at"], _row(record)))
    write(visits_ical.TAIL)


def _patient(record: Record) -> Record:
    return record | {"made at": record["created_at"], "merged into": record["merged_into"]}


def _visit(record: Record) -> Record:
    return record | {
        "new": "yes" if record["new"] else "",
        "patient id": record["patient"],
        "ended at": record["end"],
        "made at": record["created_at"],
    }


def _row(record: Record) -> Row:
    values: dict[str, Any] = {name: record[name] or "" for name in visits_table.COLUMNS}
    return Row(0, **values | {"new": "yes" if record["new"] else "", "minutes": str(record["minutes"])})


def _entry(record: Record) -> Record:
    return record | {"facts": json.dumps(record["facts"], sort_keys=True)}
