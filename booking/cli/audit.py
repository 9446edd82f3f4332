"""The audit: verified, sealed, exported."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from booking.cli.group import cli, opened, progress


@cli.group("audit")
def audit_group() -> None:
    """Who did and saw what: whether the record is whole."""


@audit_group.command("verify")
@click.argument("slug", required=False)
@click.option(
    "--heads", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Heads kept elsewhere."
)
def audit_verify(slug: str | None, file: Path | None) -> None:
    """Check every entry of the audit, of clinic SLUG or of all: none was edited, deleted, put in or swapped.

    That no tail was cut off shows in the heads which the worker keeps once a day in the instance folder
    (audit-heads.jsonl), or in FILE, a copy of them or what `booking audit head` printed.

    \b
    Example: booking audit verify prairie
    """
    from itertools import chain

    from booking.actions import audit as actions
    from booking.store import audit

    with opened():
        try:
            heads = actions.kept_heads(file or actions.heads_file())
        except ValueError as error:
            raise click.ClickException(str(error)) from None
        wanted = _chains(slug, {head.clinic_id for head in heads})
        with progress(list(wanted), "Chains") as clinics:
            faults = list(chain.from_iterable(audit.verify(clinic_id, heads) for clinic_id in clinics))
    for fault in faults:
        click.echo(f"{wanted[fault.clinic_id]}: {FAULTS[fault.what].format(fault.seq)}", err=True)
    if faults:
        sys.exit(1)
    click.echo(f"{', '.join(wanted.values())}: every entry is as it was written")


@audit_group.command("head")
@click.argument("slug", required=False)
def audit_head(slug: str | None) -> None:
    """Print where the chain of clinic SLUG ends, or every chain, signed: keep it where nobody of the clinic can write.

    \b
    Example: booking audit head prairie >> /elsewhere/audit-heads.jsonl
    """
    from booking import clock
    from booking.actions import audit as actions

    with opened():
        wanted = _chains(slug, set())
        for head in actions.heads(clock.now()):
            if head.clinic_id in wanted:
                click.echo(actions.as_line(head))


@audit_group.command("export")
@click.argument("slug")
def audit_export(slug: str) -> None:
    """Write the audit of clinic SLUG as CSV to standard output. That it was taken is recorded too.

    \b
    Example: booking audit export prairie > audit.csv
    """
    from booking import clock
    from booking.actions import audit as actions
    from booking.domain.access import WORKER
    from booking.store.audit import Wanted
    from booking.store.clinic import by_slug

    with opened():
        click.echo(actions.export(by_slug(slug).id, Wanted(), by=WORKER, now=clock.now()), nl=False)


FAULTS = {
    "edited": "entry {} is not as it was written",
    "missing": "entry {} is missing",
    "cut": "the chain should end with entry {}, and does not",
    "head": "entry {} is not the one whose hash was kept elsewhere",
}


def _chains(slug: str | None, known: set[int]) -> dict[int, str]:
    """What the chains are called, by clinic: that of SLUG, or all there are or were known to be. Raises NotFound."""
    from booking.store import audit, clinic

    if slug:
        return {clinic.by_slug(slug).id: slug}
    slugs = {row.id: row.slug for row in clinic.everyone()}
    return {
        one: slugs.get(one, f"clinic {one}" if one else "(the installation)") for one in known.union(audit.chains())
    }
