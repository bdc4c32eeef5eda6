"""Superset's configuration: one user group, one database, one machine, no stranger.

Read by Superset through ``SUPERSET_CONFIG_PATH``; names are Superset's own.
"""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

from flask import Flask, Response, request
from sqlalchemy.engine.url import URL, make_url
from superset.utils.log import AbstractEventLogger

from bi import connection, places
from ksc_ledger import settings

_PLACES = places.of(settings.load())
_BOM = b"\xef\xbb\xbf"

APP_NAME = "KSC Ledger"
SECRET_KEY = _PLACES.secret_key.read_text("utf-8")
SQLALCHEMY_DATABASE_URI = f"sqlite:///{_PLACES.database}"
LOG_LEVEL = logging.WARNING

# The browser speaks to this server and to nobody else. Superset's pages hold a picture of its
# vendor's telemetry that no setting takes out: the policy stops it before anything leaves.
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "connect-src": ["'self'"],
        "font-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "img-src": ["'self'", "blob:", "data:"],
        "object-src": "'none'",
        "script-src": ["'self'", "'strict-dynamic'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "worker-src": ["'self'", "blob:"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,  # 127.0.0.1; a proxy in front of it does TLS
    "session_cookie_secure": False,
}
ENABLE_CORS = False
CORS_OPTIONS: dict[str, Any] = {"origins": []}
THEME_DEFAULT = {
    "token": {
        "brandLogoAlt": APP_NAME,
        "brandLogoHeight": "24px",
        "brandLogoHref": "/",
        "brandLogoMargin": "18px 0",
        "colorPrimary": "#1f6feb",
        "fontUrls": [],
    },
    "algorithm": "default",
}

# Who may come in. Cookies know no port: another name than that of Airflow on the same machine.
AUTH_USER_REGISTRATION = False
RATELIMIT_ENABLED = True
RATELIMIT_STORAGE_URI = "memory://"
SESSION_COOKIE_NAME = "ksc_bi_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
PERMANENT_SESSION_LIFETIME = timedelta(hours=12)

# What may be asked: of SQL the time, of a database ours and in our way, whatever was typed in.
SQLLAB_TIMEOUT = 30
SUPERSET_WEBSERVER_TIMEOUT = 60
FEATURE_FLAGS = {
    "ALERT_REPORTS": False,
    "DASHBOARD_VIRTUALIZATION": False,  # a wall, a print and a picture show every chart
    "ENABLE_TEMPLATE_PROCESSING": False,
}


class NotOursError(ValueError):
    """A connection to something else than the published file."""


def DB_SQLA_URI_VALIDATOR(uri: URL) -> None:  # noqa: N802
    """Called when a database is saved or tested."""
    if str(uri) != connection.uri(_PLACES.marts_file):
        raise NotOursError("Chỉ được kết nối tệp số liệu đã xuất bản của KSC Ledger.")


def DB_CONNECTION_MUTATOR(  # noqa: N802
    uri: URL, params: dict[str, Any], _user: Any, _security_manager: Any, _source: Any
) -> tuple[URL, dict[str, Any]]:
    """Called before every connection: what stands in the metadata cannot unlock the file."""
    DB_SQLA_URI_VALIDATOR(uri)
    config = params.get("connect_args", {}).get("config", {})
    params["connect_args"] = connection.connect_args(config.get("custom_user_agent"))
    return make_url(connection.uri(_PLACES.marts_file)), params


class NoEvents(AbstractEventLogger):
    """Superset writes down every click of everybody; nobody here asked for that."""

    def log(self, *args: Any, **kwargs: Any) -> None:
        """Forget it."""


EVENT_LOGGER = NoEvents()

# Vietnamese, of which Superset has nothing itself.
LANGUAGES = {"vi": {"flag": "vn", "name": "Tiếng Việt"}, "en": {"flag": "us", "name": "English"}}
BABEL_DEFAULT_LOCALE = "vi"
BABEL_TRANSLATION_DIRECTORIES = f"translations;{_PLACES.words}"
D3_FORMAT = {"decimal": ",", "thousands": ".", "grouping": [3], "currency": ["", " ₫"]}
_DAYS = ["Chủ nhật", "Thứ hai", "Thứ ba", "Thứ tư", "Thứ năm", "Thứ sáu", "Thứ bảy"]
_MONTHS = [f"Tháng {number}" for number in range(1, 13)]
D3_TIME_FORMAT = {
    "dateTime": "%d/%m/%Y %H:%M",
    "date": "%d/%m/%Y",
    "time": "%H:%M",
    "periods": ["SA", "CH"],
    "days": _DAYS,
    "shortDays": ["CN", "T2", "T3", "T4", "T5", "T6", "T7"],
    "months": _MONTHS,
    "shortMonths": [f"Th{number}" for number in range(1, 13)],
}
CSV_EXPORT = {"encoding": "utf-8"}


def FLASK_APP_MUTATOR(app: Flask) -> None:  # noqa: N802
    """Answer for Vietnamese where Superset would say that it has none; mark CSV for Excel."""
    words = (_PLACES.words / "vi.json").read_text("utf-8")
    json.loads(words)  # damaged words would leave the browser with an empty page

    @app.before_request
    def _vietnamese() -> Response | None:
        if request.path.rstrip("/") == "/superset/language_pack/vi":
            return Response(words, mimetype="application/json")
        return None

    @app.after_request
    def _marked(response: Response) -> Response:
        # Without the mark Excel takes UTF-8 for the code page of the machine.
        if response.mimetype == "text/csv" and not response.is_streamed:
            body = response.get_data()
            if not body.startswith(_BOM):
                response.set_data(_BOM + body)
        return response
