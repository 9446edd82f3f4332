"""Databases, the app, its clock, browser and mail server for all tests.

A test that needs a clinic's data takes `app` (or `client`, `page`, …) and `make`. It runs on SQLite, or on both
databases with `pytestmark = pytest.mark.usefixtures("both_databases")`. What is missing on the machine fails the
tests that need it, and a skip fails the run: nothing passes by not being run.
"""

from __future__ import annotations

import base64
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from playwright.sync_api import Browser, Page
from werkzeug.routing import Rule
from werkzeug.serving import make_server

from booking import clock, create_app
from booking.settings import Settings
from booking.store.base import db
from booking.web.access import cookie_name
from tests.cast import Make
from tests.servers import chromium, databases, postgres, smtp

MONDAY = datetime(2027, 1, 11, 8, 0, tzinfo=UTC)  # 08:00 in London too; summer time is eleven weeks away

# The machine may be busy, so no deadline; CI runs the same examples every time, so that a red run can be repeated.
# HYPOTHESIS_PROFILE=deep before touching the heart.
EVERYTHING = list(hypothesis.HealthCheck)
hypothesis.settings.register_profile("quick", max_examples=20, deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.register_profile("deep", max_examples=3000, deadline=None, suppress_health_check=EVERYTHING)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


# The run: one PostgreSQL for all workers, started by whoever needs it first.

SERVERS = pytest.StashKey[ExitStack]()
POSTGRESQL = pytest.StashKey[tuple[str, str]]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        # A run that is told to end stops its servers too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.stash[SERVERS] = ExitStack()
    config.add_cleanup(config.stash[SERVERS].close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each worker of pytest-xdist where PostgreSQL is."""
    node.workerinput["postgresql"] = _postgresql(node.config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("\nA skipped test counts as a failure: it was not run.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _postgresql(config: pytest.Config) -> tuple[str, str]:
    """The server's URL, or why there is none. The template database is ready."""
    if hasattr(config, "workerinput"):
        url, why = config.workerinput["postgresql"]
        return url, why
    if POSTGRESQL not in config.stash:
        try:
            url = config.stash[SERVERS].enter_context(postgres.running())
        except postgres.Missing as missing:
            config.stash[POSTGRESQL] = ("", str(missing))
        else:
            databases.postgresql_template(url)
            config.stash[POSTGRESQL] = (url, "")
    return config.stash[POSTGRESQL]


# Databases


@pytest.fixture(scope="session")
def postgresql_server(pytestconfig: pytest.Config) -> str:
    """The URL of a server on which a test may make databases of its own."""
    url, why = _postgresql(pytestconfig)
    if not url:
        pytest.fail(why, pytrace=False)
    return url


@pytest.fixture(scope="session")
def postgresql_database(postgresql_server: str) -> str:
    """This worker's database."""
    return databases.postgresql_copy(postgresql_server)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return databases.sqlite_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(params=["sqlite", "postgresql"])
def both_databases(request: pytest.FixtureRequest) -> str:
    """Runs the test twice; the value is the database's name."""
    return str(request.param)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database: SQLite, or what `both_databases` says."""
    if "both_databases" in request.fixturenames and request.getfixturevalue("both_databases") == "postgresql":
        url = request.getfixturevalue("postgresql_database")
        yield url
        databases.clear(url)
    else:
        yield databases.sqlite_copy(request.getfixturevalue("sqlite_template"), tmp_path)


# The app and its clock


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Call it to move the app's clock, which otherwise stands still."""

    def set_to(instant: datetime) -> None:
        monkeypatch.setattr(clock, "now", lambda: instant)

    return set_to


@pytest.fixture
def now(set_clock: Callable[[datetime], None]) -> datetime:
    """Monday 11 January 2027, 08:00 in London: what the app's clock shows."""
    set_clock(MONDAY)
    return MONDAY


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket on loopback, so that the public URL is known before the app is made."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.fixture
def settings(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> Settings:
    """The app's settings; change some with `@pytest.mark.settings(rate_limits="off")`."""
    values: dict[str, Any] = {
        "instance": tmp_path / "instance",
        "database_url": database_url,
        "public_url": "http://localhost",
        "secret_key": "not a secret, only for tests: 0123456789",
        "field_key": base64.b64encode(bytes(32)).decode(),
    }
    if "live_server" in request.fixturenames:
        values["public_url"] = f"http://127.0.0.1:{request.getfixturevalue('listener').getsockname()[1]}"
    if "mailbox" in request.fixturenames:
        values["smtp_url"] = request.getfixturevalue("mailbox").url
    if marker := request.node.get_closest_marker("settings"):
        values |= marker.kwargs
    values["instance"].mkdir()
    return Settings(**values)


@pytest.fixture(scope="session")
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> FileSystemBytecodeCache:
    """Each template is compiled once, not once for each test's app."""
    return FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))


@pytest.fixture(scope="session", autouse=True)
def compiled_routes() -> Iterator[None]:
    """Each route is compiled once, not once for each test's app, where it takes a third of a short test's time."""
    known: dict[tuple[Any, ...], Any] = {}
    compiled = Rule._compile_builder

    def once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, rule.subdomain, rule.host, repr(rule.defaults), append_unknown)
        if key not in known:
            known[key] = compiled(rule, append_unknown)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", once)
        yield


@pytest.fixture
def app(settings: Settings, now: datetime, compiled_templates: FileSystemBytecodeCache) -> Iterator[Flask]:
    """The app on its own database. No context is pushed: each request has its own, as in service."""
    app = create_app(settings)
    app.jinja_env.bytecode_cache = compiled_templates
    app.testing = True
    yield app
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    """An app context around the test, for tests of the store and of actions. Not together with `client`."""
    with app.app_context():
        yield


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def make(app: Flask, now: datetime) -> Make:
    """Elm Clinic and its people, made as a test asks for them."""
    return Make(app, now)


@pytest.fixture
def desk(app: Flask, settings: Settings, make: Make) -> FlaskClient:
    """Cy's browser, signed in."""
    client = app.test_client()
    client.set_cookie(cookie_name("sid", settings), make.session())
    return client


# Other servers


@pytest.fixture
def mailbox() -> Iterator[smtp.Mailbox]:
    """The SMTP server that the app sends to."""
    with smtp.running() as mailbox:
        yield mailbox


@pytest.fixture
def live_server(app: Flask, settings: Settings, listener: socket.socket) -> Iterator[str]:
    """The app served on loopback, with the test's own database and clock: its URL."""

    def in_one_piece(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """This server leaves a file open that a browser, on its way to another page, did not wait for."""
        answer = app(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            getattr(answer, "close", bool)()

    server = make_server("127.0.0.1", 0, in_one_piece, threaded=True, fd=listener.fileno())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield settings.public_url
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with ExitStack() as stack:
        try:
            browser = stack.enter_context(chromium.running())
        except chromium.Missing as missing:
            pytest.fail(str(missing), pytrace=False)
        yield browser


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Call it for a page of a fresh browser profile; options are Playwright's, such as `java_script_enabled=False`."""
    with ExitStack() as stack:

        def open_page(width: int = 1280, height: int = 800, **options: Any) -> Page:
            options = {"locale": "en-GB", "timezone_id": "Europe/London"} | options
            profile = browser.new_context(viewport={"width": width, "height": height}, **options)
            stack.callback(profile.close)
            profile.set_default_timeout(10_000)
            return profile.new_page()

        yield open_page


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    return open_page()


@pytest.fixture
def page_without_script(open_page: Callable[..., Page]) -> Page:
    return open_page(java_script_enabled=False)
