"""The application, put together. What a request may do is `access`, what leaves is `headers`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask, current_app, g, request
from flask_wtf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from booking import clock, settings
from booking.domain.access import PUBLIC
from booking.settings import Settings
from booking.store import base
from booking.web import access, admin, api, desk, errors, feeds, headers, health, i18n, mailbox, patient

LARGEST_BODY = 256 * 1024
LOOPBACK = ["localhost", "127.0.0.1", "[::1]"]


class Application(Flask):
    """Flask, but its log names the route of a fault and not the address, which may hold a secret."""

    def log_exception(self, exc_info: Any) -> None:
        self.logger.error("fault at %s %s", request.method, request.url_rule, exc_info=exc_info)


def create_app(given: Settings | None = None) -> Flask:
    """The application, with every route's guard checked. Raises SettingsError for an unusable environment."""
    found = settings.read() if given is None else given
    app = Application("booking", template_folder=_templates())
    app.config.update(_config(found))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.json.sort_keys = False  # type: ignore[attr-defined]
    base.configure(app)
    CSRFProtect(app)  # `access.enforce` calls it, after the route's guard
    i18n.configure(app)
    app.url_value_preprocessor(_open_request)
    app.url_defaults(_fill_in_clinic)
    app.before_request(access.enforce)
    errors.configure(app)
    headers.configure(app)
    for part in (patient, desk, admin, mailbox, api, feeds, health):
        app.register_blueprint(part.blueprint)
    app.view_functions["static"] = access.allow("public")(app.view_functions["static"])
    access.check_guards(app)
    if found.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=found.proxies, x_proto=found.proxies)  # type: ignore[method-assign]
    return app


def _config(found: Settings) -> dict[str, Any]:
    return {
        "SETTINGS": found,
        "SECRET_KEY": found.secret_key,
        "TRUSTED_HOSTS": [found.host] if found.env == "production" else [found.host, *LOOPBACK],
        "SESSION_COOKIE_NAME": access.cookie_name("anon", found),
        "SESSION_COOKIE_SECURE": found.https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": "/",
        "PERMANENT_SESSION_LIFETIME": timedelta(days=31),
        "MAX_CONTENT_LENGTH": LARGEST_BODY,
        "MAX_FORM_MEMORY_SIZE": LARGEST_BODY,
        "MAX_FORM_PARTS": 200,
        "WTF_CSRF_CHECK_DEFAULT": False,
        "WTF_CSRF_TIME_LIMIT": None,
    }


def _templates() -> str:
    """Inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "templates"
    return str(inside if inside.is_dir() else package.parent / "templates")


def _open_request(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Give every request its instant and its language, and those below a clinic's address their clinic."""
    g.now = clock.now()
    g.clinic = None
    g.caller = PUBLIC
    g.session_key = None
    g.language = i18n.FALLBACK
    access.refuse_unreadable()
    if values and "clinic" in values:
        g.clinic = access.clinic_of(values.pop("clinic"))
    if not errors.is_for_programs():
        g.language = i18n.language_of_request()


def _fill_in_clinic(endpoint: str, values: dict[str, Any]) -> None:
    if g.get("clinic") and "clinic" not in values and current_app.url_map.is_endpoint_expecting(endpoint, "clinic"):
        values["clinic"] = g.clinic.slug
