"""Moving in and out: visits and patients imported, exported, erased."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from booking.cli.group import cli, opened, progress

if TYPE_CHECKING:
    from booking.actions.importing import Verdict


@cli.command("import")
@click.argument("slug")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Say what would become of each row, and change nothing.")
@click.option("--squeeze", is_flag=True, help="Squeeze visits in whose time is taken.")
@click.option("--skip-faults", is_flag=True, help="Import the other rows where some have faults or clash.")
@click.option("--zone", help="Zone of times without an offset, if it is not the location's.")
def import_(slug: str, file: Path, check: bool, squeeze: bool, skip_faults: bool, zone: str | None) -> None:
    """Take visits and patients over from FILE: CSV, or the .ics export of another calendar. Twice is harmless.

    Each time of an event that repeats is a visit, for two years ahead.

    The first line of CSV names the columns: start, service, practitioner, name, email, phone, status, note; and where
    they are needed location, new (yes: a first visit) and minutes. A row without start is a patient only. All rows
    are imported or, if one has a fault or clashes with another visit, none. Nobody is told of imported visits.

    \b
    Example: booking import prairie visits.csv --check
    """
    from booking import clock
    from booking.actions import importing
    from booking.domain.moving import Unreadable
    from booking.store.clinic import by_slug

    if zone is not None and not _is_zone(zone):
        raise click.BadParameter(f"{zone!r} is no zone such as Europe/London", param_hint="--zone")
    with opened():
        clinic_id, now = by_slug(slug).id, clock.now()
        try:
            found = importing.read(file.read_bytes(), clinic_id, now=now)
        except Unreadable as error:
            raise click.ClickException(f"{file}: {error}") from None
        for column in found.unread:
            click.echo(f'{file}: the column "{column}" is not read', err=True)
        with progress(found.rows, "Rows") as rows:
            verdicts = importing.examine(clinic_id, rows, now=now, zone=zone, squeeze=squeeze)
        hindered = importing.hindered(verdicts)
        refused = bool(hindered) and not skip_faults
        _tell_of_rows(file, verdicts, everything=check)
        if check or refused:
            click.echo(_summary(verdicts, "can be imported" if refused else "would be imported"))
        if refused:
            did = "would be" if check else "was"
            also = "; --squeeze squeezes in those whose time is taken" if _is_clashing(hindered) else ""
            raise click.ClickException(
                f"nothing {did} imported: mend these rows, or leave them out with --skip-faults{also}"
            )
        if check:
            return
        late = []
        with progress(importing.batches(verdicts), "Visits") as batches:
            for batch in batches:
                late += importing.write(clinic_id, batch, now=now)
    click.echo(_summary(verdicts, "imported", late=len(late)))
    for verdict in late:
        click.echo(
            f"{file}: line {verdict.line}: {verdict.said}: its time or its patient was booked meanwhile, not imported",
            err=True,
        )
    if late:
        sys.exit(1)


def _tell_of_rows(file: Path, verdicts: list[Verdict], *, everything: bool) -> None:
    """Row by row what becomes of it: every row, or those only that somebody should look at.

    Of every row it is what was asked for, and goes to standard output as a whole. What is wrong with each time of an
    event that repeats is said once.
    """
    from collections import Counter

    from booking.domain.moving import HINDERS, Fate

    says = {
        Fate.IMPORTED: "imported",
        Fate.SHARED: "imported, squeezed in",
        Fate.SQUEEZED: "imported, squeezed in",
        Fate.PATIENT: "imported",
        Fate.KNOWN: "there already",
        Fate.CLASH: "clash",
        Fate.FAULTY: "fault",
    }
    wrong = Counter((verdict.line, verdict.faults) for verdict in verdicts if verdict.faults)
    for verdict in verdicts:
        number = wrong.pop((verdict.line, verdict.faults), 0)
        if verdict.faults and not number:
            continue
        is_plain = verdict.fate is Fate.KNOWN or (verdict.fate in (Fate.IMPORTED, Fate.PATIENT) and not verdict.remarks)
        if is_plain and not everything:
            continue
        more = [f"and so {number - 1:,} more times"] if number > 1 else []
        why = [*verdict.remarks, *map(str, verdict.faults), *more]
        line = f"{file}: line {verdict.line}: " + ": ".join(filter(None, (says[verdict.fate], verdict.said)))
        click.echo(f"{line}{': ' if why else ''}{'; '.join(why)}", err=verdict.fate in HINDERS and not everything)


def _is_clashing(verdicts: list[Verdict]) -> bool:
    from booking.domain.moving import Fate

    return any(verdict.fate is Fate.CLASH for verdict in verdicts)


def _summary(verdicts: list[Verdict], did: str, *, late: int = 0) -> str:
    from collections import Counter

    from booking.domain.moving import WRITTEN, Fate

    count = Counter(verdict.fate for verdict in verdicts)
    parts = [f"{sum(count[fate] for fate in WRITTEN) - late:,} {did}"]
    named = (
        ((Fate.SQUEEZED, Fate.SHARED), "of them squeezed in"),
        ((Fate.KNOWN,), "there already"),
        ((Fate.CLASH,), "clash"),
        ((Fate.FAULTY,), "with faults"),
    )
    for fates, words in named:
        if number := sum(count[fate] for fate in fates):
            parts.append(f"{number:,} {words}")
    return ", ".join(parts) + "."


def _is_zone(name: str) -> bool:
    from booking.domain.time import zone_info

    try:
        zone_info(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


@cli.command("export")
@click.argument("slug")
@click.argument("target", required=False, type=click.Path(path_type=Path))
@click.option("--patient", help="Of this patient only: their id, or the reference of one of their visits.")
def export_(slug: str, target: Path | None, patient: str | None) -> None:
    """Write all data of clinic SLUG into a new folder TARGET, or a zip: CSV, .ics and JSON, with a manifest.

    Notes stand in it as they were written, so keep it as you keep the records themselves; only you may read the
    files. Of one patient without TARGET: JSON on standard output. That it was taken is recorded.

    \b
    Example: booking export prairie prairie.zip
    """
    from booking import clock
    from booking.actions import clinic as clinics
    from booking.actions import exporting
    from booking.domain.access import WORKER
    from booking.store.clinic import by_slug

    if target is None and patient is None:
        raise click.UsageError("where to? TARGET is a new folder or a new .zip")
    with opened(), _patients_named(patient):
        found, now = by_slug(slug), clock.now()
        if target is None:
            click.echo(exporting.patient_text(found, patient or "", by=WORKER, now=now), nl=False)
            return
        if patient is None:
            text = clinics.dump(slug)
            counts = exporting.everything(found, target, clinic_file=text, by=WORKER, now=now)
        else:
            counts = exporting.of_patient(found, patient, target, by=WORKER, now=now)
    click.echo(f"{target}: {', '.join(f'{count:,} {what}' for what, count in counts.items())}.")


@cli.command()
@click.argument("slug")
@click.argument("patient")
@click.option("--yes", is_flag=True, help="Don't ask.")
def erase(slug: str, patient: str, yes: bool) -> None:
    """Erase a patient of clinic SLUG, given by id or by the reference of one of their visits. It can't be undone.

    Name, contacts, notes, mails and reasons go, from the database's files too; the visits stay, as an erased
    patient's. Visits to come have to be cancelled first. Backups and exports keep what they have: delete them.

    \b
    Example: booking erase prairie 7K4M2QXA
    """
    from booking import clock
    from booking.actions import erasing
    from booking.domain.access import WORKER
    from booking.domain.time import local
    from booking.store import erasure
    from booking.store.clinic import by_slug

    with opened(), _patients_named(patient):
        clinic_id, now = by_slug(slug).id, clock.now()
        try:
            found = erasing.known(clinic_id, patient, now)
            if not yes:
                click.confirm(f"Erase patient {found.public_id}, with {found.visits} visits?", abort=True)
            visits = erasing.erase(clinic_id, patient, by=WORKER, now=now)
        except erasing.StillToCome as refusal:
            for visit in refusal.visits:
                at = local(visit.starts_at, visit.zone)
                click.echo(f"still to come: {at:%Y-%m-%d %H:%M} {visit.reference}", err=True)
            raise click.ClickException("nothing was erased: cancel these visits first") from None
        is_clean = erasure.scrub()
    click.echo(f"Erased patient {found.public_id}; {visits} visits stay without a name.")
    if not is_clean:
        raise click.ClickException(
            "the database was in use, so its files may still hold older pages: "
            "stop the service, and run: booking erase again with the same patient"
        )


@contextmanager
def _patients_named(patient: str | None) -> Iterator[None]:
    from booking.domain.errors import NotFound

    try:
        yield
    except NotFound:
        raise click.ClickException("there is no such clinic" + (" or patient" if patient else "")) from None
