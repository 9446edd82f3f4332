"""Looking after it: the doctor, backups."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from booking.cli.group import cli, read_settings


@cli.command()
def doctor() -> None:
    """Check the settings, database, schema, clock, keys, mail and what must hold in the data. Changes nothing.

    \b
    Example: booking doctor
    """
    from booking.doctor import findings

    failed = False
    for name, faults in findings():
        click.echo(f"{'FAULT' if faults else 'ok   '}  {name}")
        for fault in faults:
            click.echo(f"       {fault}", err=True)
        failed = failed or bool(faults)
    if failed:
        sys.exit(1)


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
def backup(folder: Path) -> None:
    """Write a consistent copy of the database into a new FOLDER, while others go on working.

    The keys are not in it: keep BOOKING_SECRET_KEY and BOOKING_FIELD_KEY elsewhere, or it can't be read.

    \b
    Example: booking backup /backups/$(date +%F)
    """
    from booking import clock
    from booking.store import copies

    copies.backup(read_settings(), folder, clock.now())
    click.echo(f"{folder}: written. The keys are not in it; keep them elsewhere.")


@cli.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def restore(folder: Path) -> None:
    """Put the backup in FOLDER where the settings say that the database is. Nothing may be there yet.

    Every byte is checked first, and that BOOKING_FIELD_KEY is the key that it was made with.

    \b
    Example: booking restore /backups/2026-11-22
    """
    from booking.store import copies

    copies.restore(read_settings(), folder)
    click.echo("Restored. Run: booking migrate, then booking doctor")
