"""Backups: a folder with the database and a manifest that says what it is and how its bytes must sum up.

Keys are not in it: without BOOKING_FIELD_KEY the encrypted fields of a backup can't be read, which is the point.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from booking.settings import Settings
from booking.store import schema

MANIFEST = "manifest.json"


class CopyFailed(Exception):
    """A backup can't be made or taken back, and why. Nothing was changed."""


def backup(settings: Settings, folder: Path, now: datetime) -> None:
    """Write a consistent copy of the database into `folder`, which must not exist yet. Others may go on working.

    Raises CopyFailed.
    """
    if folder.exists():
        raise CopyFailed(f"{folder} is there already")
    folder.mkdir(parents=True, mode=0o700)
    try:
        name = _dump_postgresql(settings, folder) if _is_postgresql(settings) else _copy_sqlite(settings, folder)
        manifest = {
            "made_at": now.isoformat(),
            "schema": schema.current(_engine(settings)),
            "field_key": _key_id(settings),
            "files": {name: _sum(folder / name)},
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        for path in folder.iterdir():
            path.chmod(0o600)
    except BaseException:
        shutil.rmtree(folder)
        raise


def restore(settings: Settings, folder: Path) -> None:
    """Put a backup in the place of a database that is not there yet or has no tables.

    Raises CopyFailed where the bytes are not those that were written, the key is another, or the place is taken.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        [(name, wanted)] = manifest["files"].items()
        copy = folder / Path(name).name
        found = _sum(copy)
    except (OSError, ValueError, KeyError) as error:
        raise CopyFailed(f"{folder} is not a backup: {error}") from None
    if found != wanted:
        raise CopyFailed(f"{copy} was changed or cut since it was written")
    if manifest["field_key"] != _key_id(settings):
        raise CopyFailed("the backup was made with another BOOKING_FIELD_KEY: its encrypted fields could not be read")
    if (name == "booking.dump") != _is_postgresql(settings):
        raise CopyFailed("the backup is of the other kind of database (SQLite or PostgreSQL)")
    if _has_tables(settings):
        raise CopyFailed(f"there is a database at {make_url(settings.database)!r} already: move it away first")
    if _is_postgresql(settings):
        _run(settings, "pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", str(copy))
        return
    target = _sqlite_file(settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".restoring")
    shutil.copyfile(copy, partial)
    partial.chmod(0o600)
    os.replace(partial, target)


def _copy_sqlite(settings: Settings, folder: Path) -> str:
    if not _sqlite_file(settings).is_file():
        raise CopyFailed(f"there is no database at {_sqlite_file(settings)}")
    name = "booking.db"
    with closing(sqlite3.connect(_sqlite_file(settings))) as connection:
        connection.execute("VACUUM INTO ?", (str(folder / name),))
    return name


def _dump_postgresql(settings: Settings, folder: Path) -> str:
    name = "booking.dump"
    _run(settings, "pg_dump", "--format=custom", "--no-owner", "-f", str(folder / name))
    return name


def _run(settings: Settings, *command: str) -> None:
    # The password goes by the environment: the arguments of a process can be read by everybody on the machine.
    url = make_url(settings.database).set(drivername="postgresql")
    target = url.set(password=None).render_as_string()
    environ = {**os.environ, "PGPASSWORD": str(url.password)} if url.password else None
    try:
        done = subprocess.run([*command, "-d", target], capture_output=True, text=True, check=False, env=environ)
    except FileNotFoundError:
        raise CopyFailed(f"{command[0]} is not installed: it comes with PostgreSQL's client programs") from None
    if done.returncode:
        raise CopyFailed(f"{command[0]}: {done.stderr.strip()}")


def _has_tables(settings: Settings) -> bool:
    if not _is_postgresql(settings) and not _sqlite_file(settings).exists():
        return False
    return bool(sa.inspect(_engine(settings)).get_table_names())


def _is_postgresql(settings: Settings) -> bool:
    return settings.database.startswith("postgresql")


def _engine(settings: Settings) -> Engine:
    return sa.create_engine(settings.database, poolclass=sa.NullPool)


def _sqlite_file(settings: Settings) -> Path:
    return Path(make_url(settings.database).database or "")


def _key_id(settings: Settings) -> str:
    return hashlib.sha256(b"backup" + settings.field_key_bytes).hexdigest()[:16]


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
