"""The application: addresses, who may open them, and what they show.

Every address asks ``Gate`` first. Reading is GET; the two deeds are POST with a token. What comes
from outside is shown by ``words.shown`` or escaped by the template engine, and the content policy
allows nothing that is not a file of ours.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException as StarletteHTTPException

from ksc_ledger.clock import RehearsalClock, clock_of, end_of_day
from ksc_ledger.errors import LedgerError
from ksc_ledger.ops_room import charts, deeds, documents, live, reading, runbooks, tokens, words
from ksc_ledger.ops_room.access import (
    ROLE_LABELS,
    NotOnTheList,
    Reader,
    Role,
    reader_of,
)
from ksc_ledger.rules.figures import FigureError, read_date
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse.serving import Issue, Rows, Shelf, warm_up

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
STATIC = {
    "room.css": "text/css",
    "room.js": "text/javascript",
    "block.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
LONGEST_FORM = 8 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Airflow's part: ``signed_in`` gives the sign-in name or raises 401 or 403; ``may_act`` raises."""

    signed_in: Callable[..., str | Awaitable[str]]
    may_act: Callable[..., object]


@dataclass(frozen=True, kw_only=True)
class View:
    """What one request is about: who asks, which version answers, which day, whose units."""

    reader: Reader
    issue: Issue
    day: date
    newest_day: date
    first_day: date
    estate: str
    estates: tuple[str, ...]
    tree: reading.Tree
    top: str
    now: datetime
    root: str  # where the application is mounted
    live: live.Live | None = None

    @property
    def is_newest(self) -> bool:
        return self.day == self.newest_day

    @property
    def at(self) -> datetime:
        """The end of the day; on the newest day: now."""
        return self.now if self.is_newest else end_of_day(self.day)

    def may_see(self, unit_code: str | None) -> bool:
        if self.reader.sees_all:
            return True
        if unit_code is None:
            return False
        if self.reader.role is not Role.UNIT_OFFICER:
            unit = self.tree.units.get(unit_code)
            return unit is not None and self.reader.may_enter(unit.estate_code)
        return self.reader.unit_code is not None and self.reader.unit_code in self.tree.path(
            unit_code
        )


class Room:
    """The page of one home."""

    def __init__(self, settings: Settings, real_now: Callable[[], datetime]) -> None:
        self.settings = settings
        self.real_now = real_now
        self.named = Shelf(settings.places.named_marts_file)
        self.masked = Shelf(settings.places.marts_file)
        self.templates = _templates()

    def reader(self, user_name: str) -> Reader:
        return reader_of(self.settings.page_users, user_name)

    def issue(self, reader: Reader) -> Issue:
        """The newest version that this person may read: with names, or masked."""
        return (self.named if reader.sees_names else self.masked).newest()

    def view(
        self,
        user_name: str,
        request: Request,
        unit_code: str | None = None,
        *,
        estate: str | None = None,
    ) -> View:
        """Decide what is shown. Names are opened only after the person's role was looked up.

        Raises NotOnTheList, LedgerError (nothing published, no such day), HTTPException 404.
        """
        query = request.query_params
        reader = self.reader(user_name)
        issue = self.issue(reader)
        days = {
            code: both for code, both in reading.days_of(issue).items() if reader.may_enter(code)
        }
        if not days:
            raise LedgerError(
                "nothing_counted",
                "Bản số liệu hiện hành chưa có ngày nào.",
                "Chạy collect_endpoints rồi build_marts.",
            )
        newest_tree = reading.tree_on(issue, max(last for _, last in days.values()))
        wanted = unit_code or reader.unit_code
        estate = estate or query.get("dia_ban", "")
        if wanted is not None:
            found = newest_tree.units.get(wanted) or _any_unit(issue, wanted)
            if found is None:
                raise HTTPException(404)
            estate = found.estate_code
        if estate not in days:
            estate = next(iter(days))
        first, last = days[estate]
        day = _day(query.get("ngay", ""), first, last)
        tree = reading.tree_on(issue, day)
        top = wanted or next(
            (
                code
                for code in tree.children.get(None, ())
                if tree.units[code].estate_code == estate
            ),
            "",
        )
        officer = reader.role is Role.UNIT_OFFICER
        view = View(
            reader=reader,
            issue=issue,
            day=day,
            newest_day=last,
            first_day=first,
            estate=estate,
            estates=(estate,) if officer else tuple(days),
            tree=tree,
            top=top,
            now=clock_of(self.settings.places).now(),
            root=request.scope.get("root_path", ""),
        )
        if not view.may_see(top):
            raise HTTPException(403)
        if top not in tree.units:
            if unit_code is None:
                return view
            raise HTTPException(404)
        return view

    def with_live(self, view: View) -> View:
        """The same with what is so this minute, where the newest day is shown."""
        if not view.is_newest:
            return view
        seen = live.read(self.settings, (view.estate,), view.now, self.real_now())
        return replace(view, live=seen)

    def render(self, template: str, view: View, status: int = 200, **facts: Any) -> HTMLResponse:
        clock = clock_of(self.settings.places)
        text = self.templates.get_template(template).render(
            view=view,
            reader=view.reader,
            tree=view.tree,
            published=reading.published(view.issue),
            role_label=ROLE_LABELS[view.reader.role],
            rehearsal_at=clock.now() if isinstance(clock, RehearsalClock) else None,
            estate_names={code: _estate_name(view.tree, code, view.issue) for code in view.estates},
            link=_linker(view),
            **facts,
        )
        return HTMLResponse(text, status)


def create_app(
    settings: Settings, gate: Gate, real_now: Callable[[], datetime] | None = None
) -> FastAPI:
    """The application for one home, every address behind ``gate``."""
    warm_up()  # the block on Airflow's home page asks first, before anybody opens the page
    room = Room(settings, real_now or _real_now)
    who: Any = Depends(gate.signed_in)  # one call a request, however often it is asked for
    # On the application as well, so that an address added later cannot be forgotten.
    app = FastAPI(
        title="KSC Ledger: Tình hình",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(gate.signed_in)],
    )
    app.add_middleware(_Guarded)
    _add_error_pages(app, room)

    @app.get("/", response_class=HTMLResponse)
    def overview(request: Request, user: str = who) -> Response:
        query = request.query_params
        view = room.with_live(room.view(user, request))
        return room.render("unit.html.j2", view, **_unit_facts(view, query))

    @app.get("/don-vi/{unit_code}", response_class=HTMLResponse)
    def unit(request: Request, unit_code: str, user: str = who) -> Response:
        query = request.query_params
        view = room.with_live(room.view(user, request, unit_code))
        return room.render("unit.html.j2", view, **_unit_facts(view, query))

    @app.get("/may/{endpoint_id}", response_class=HTMLResponse)
    def machine(request: Request, endpoint_id: str, user: str = who) -> Response:
        reader = room.reader(user)
        issue = room.issue(reader)
        found = reading.machine(issue, endpoint_id)
        if found is None:
            raise HTTPException(404)
        view = room.view(user, request, found["unit_code"])
        if not view.may_see(found["unit_code"]):
            raise HTTPException(403)
        history = [
            row
            for row in reading.machine_history(issue, endpoint_id, view.at)
            if row["unit_code"] is None or view.may_see(row["unit_code"])
        ]
        return room.render(
            "machine.html.j2",
            view,
            machine=found,
            history=history,
            detections=reading.detections_of(issue, endpoint_id, view.at),
        )

    @app.get("/may-chu/{server_code}", response_class=HTMLResponse)
    def server(request: Request, server_code: str, user: str = who) -> Response:
        view, found = _server_view(room, request, server_code, user)
        return _server_page(room, view, found, request.query_params.get("xong", ""))

    @app.get("/tom-tat")
    def summary(request: Request, user: str = who) -> JSONResponse:
        """For the block on Airflow's home page: a few sentences, no names of machines."""
        first = room.view(user, request)
        views = [room.view(user, request, estate=estate) for estate in first.estates]
        return JSONResponse(_summary([room.with_live(view) for view in views]))

    @app.post("/may-chu/{server_code}/tiep-nhan", dependencies=[Depends(gate.may_act)])
    async def acknowledge(request: Request, server_code: str, user: str = who) -> Response:
        form = await _form(request)
        return await _done(room, request, server_code, user, form, _acknowledge)

    @app.post("/may-chu/{server_code}/tam-ngung", dependencies=[Depends(gate.may_act)])
    async def silence(request: Request, server_code: str, user: str = who) -> Response:
        form = await _form(request)
        return await _done(room, request, server_code, user, form, _silence)

    @app.get("/so-tay", response_class=HTMLResponse)
    def all_runbooks(request: Request, user: str = who) -> Response:
        view = room.view(user, request)
        return room.render("runbooks.html.j2", view, runbooks=runbooks.names())

    @app.get("/so-tay/{name}", response_class=HTMLResponse)
    def runbook(request: Request, name: str, user: str = who) -> Response:
        view = room.view(user, request)
        text = runbooks.page(name)
        if text is None:
            raise HTTPException(404)
        return room.render("runbook.html.j2", view, name=name, text=text)

    @app.get("/cong-van", response_class=HTMLResponse)
    def letters(request: Request, user: str = who) -> Response:
        view = room.view(user, request)
        found = documents.letters_of(settings.places.letters, view.estates)
        shown = [one for one in found if view.may_see(one.unit_code)]
        return room.render("letters.html.j2", view, letters=shown)

    @app.get("/cong-van/{estate_code}/{stem}", response_class=HTMLResponse)
    def letter(request: Request, estate_code: str, stem: str, user: str = who) -> Response:
        view, found = _letter_view(room, request, estate_code, stem, user)
        files = {
            suffix: documents.file_of(settings.places.letters, found, suffix)
            for suffix in documents.SUFFIXES
        }
        if files["json"] is None:
            raise HTTPException(404)
        return room.render(
            "letter.html.j2",
            view,
            letter=found,
            proof=documents.proof_of(settings.places.letters, found),
            suffixes=[suffix for suffix, file in files.items() if file is not None],
        )

    @app.get("/cong-van/{estate_code}/{stem}/{suffix}")
    def letter_file(
        request: Request, estate_code: str, stem: str, suffix: str, user: str = who
    ) -> Response:
        _, found = _letter_view(room, request, estate_code, stem, user)
        file = documents.file_of(settings.places.letters, found, suffix)
        if file is None:
            raise HTTPException(404)
        return FileResponse(file, media_type=documents.SUFFIXES[suffix], filename=file.name)

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in STATIC:
            raise HTTPException(404)
        return FileResponse(
            HERE / "static" / name,
            media_type=STATIC[name],
            headers={"Cache-Control": "private, max-age=300"},
        )

    return app


# What the pages are made of


def _unit_facts(view: View, query: Mapping[str, str]) -> dict[str, Any]:
    """Everything on the page of a unit; the estate's page is the page of its top unit."""
    issue, day, top, tree = view.issue, view.day, view.top, view.tree
    if top not in tree.units:
        return {"figure": None}
    coverage = reading.coverage_on(issue, day)
    codes = tree.codes(top)
    by_gap = query.get("xep") == "thieu"
    depth = 2 if len(tree.path(top)) == 1 else 1
    rows = [
        (code, level, coverage[code], charts.coverage_bar(coverage[code]))
        for code, level in tree.below(top, depth)[1:]
        if code in coverage
    ]
    if by_gap:
        leaves = [
            row for row in rows if not any(r[0] in tree.children.get(row[0], ()) for r in rows)
        ]
        rows = sorted(leaves, key=lambda row: (-(row[2]["gap_count"] or 0), row[0]))
    servers = reading.servers_on(issue, day, top)
    links = [_link(view, row) for row in servers]
    obligations = reading.obligations_of(issue, codes, view.at, is_newest=view.is_newest)
    open_ones = [row for row in obligations if row["status"] in _OPEN]
    figure = coverage.get(top)
    parts = reading.parts_on(issue, day, top)
    is_leaf = len(codes) == 1
    wanted = query.get("loai", "")
    shown_parts = (wanted,) if wanted in reading.MENDABLE else reading.MENDABLE
    skip = _skip(query.get("tu", ""))
    has_names = issue.has("fct_endpoint_name")
    is_asked = is_leaf or "may" in query
    machines = (
        reading.machines_of(issue, codes, view.at, shown_parts, skip)
        if has_names and is_asked
        else []
    )
    free = (
        reading.free_suggestions(issue, [one["endpoint_id"] for one in machines])
        if view.is_newest
        else {}
    )
    return {
        "figure": figure,
        "national": reading.national_on(issue, day) if _is_of_all(view) else [],
        "rows": rows,
        "by_gap": by_gap,
        "servers": servers,
        "links": links,
        "trend": charts.trend(reading.trend(issue, top, day)),
        "parts": parts,
        "pieces": charts.gap_pieces(parts),
        "outages": _with_live(
            links,
            reading.outages_of(issue, [row["server_code"] for row in servers], view.at, longest=8),
        ),
        "obligations": open_ones[:12],
        "obligation_counts": _counted(row["status"] for row in obligations),
        "quality": reading.quality_of(
            issue, [row["load_id"] for row in servers if row["load_id"] is not None]
        ),
        "infections": reading.infections_of(issue, day, top, codes, is_newest=view.is_newest),
        "conflicts": reading.conflicts_of(issue, codes) if view.is_newest else None,
        "licences": reading.licences_of(issue, day, [row["server_code"] for row in servers]),
        "mails": reading.mails_until(issue, view.at),
        "machines": machines[: reading.PAGE_ROWS],
        "has_more": len(machines) > reading.PAGE_ROWS,
        "skip": skip,
        "part": wanted,
        "is_asked": is_asked,
        "has_names": has_names,
        "machine_counts": reading.machine_counts(issue, codes, view.at) if has_names else {},
        "free": free,
        "path": [code for code in tree.path(top) if view.may_see(code)],
    }


def _is_of_all(view: View) -> bool:
    """Whether this is an estate's first page, shown to somebody of all of several estates."""
    is_top = len(view.tree.path(view.top)) == 1
    return is_top and view.reader.sees_all and len(view.estates) > 1


_OPEN = ("breached", "due_soon", "pending", "undetermined")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkShown:
    """One server's link on the page. ``evidence_at`` is known live only, else the last reading."""

    server_code: str
    server_name: str
    state: str
    cause: str | None
    since_at: datetime | None
    evidence_at: datetime | None
    observed_at: datetime | None
    is_of_that_day: bool
    incident_id: str | None = None
    outage_started_at: datetime | None = None
    acknowledged_until: datetime | None = None
    silenced_until: datetime | None = None


def _link(view: View, row: Mapping[str, Any]) -> LinkShown:
    """A server's link: this minute's where it is known, else what the marts say of the instant."""
    code = row["server_code"]
    seen = view.live.links.get(code) if view.live else None
    shown = LinkShown(
        server_code=code,
        server_name=row["server_name"],
        state=row["state"] or "unwatched",
        cause=row["outage_cause"] or row["cause"],
        since_at=row["state_since_at"],
        evidence_at=None,
        observed_at=row["observed_at"],
        is_of_that_day=bool(row["is_of_that_day"]),
        incident_id=row["incident_id"],
        outage_started_at=row["outage_started_at"],
    )
    if seen is None or view.live is None:
        return shown
    mute = view.live.silence_of(code)
    return LinkShown(
        server_code=code,
        server_name=row["server_name"],
        state=seen.interval.state.value if seen.interval else seen.state.value,
        cause=seen.cause.value if seen.cause else None,
        since_at=seen.interval.started_at if seen.interval else None,
        evidence_at=seen.evidence_at,
        observed_at=row["observed_at"],
        is_of_that_day=bool(row["is_of_that_day"]),
        incident_id=seen.outage.incident_id if seen.outage else None,
        outage_started_at=seen.outage.started_at if seen.outage else None,
        acknowledged_until=seen.outage.acknowledged_until if seen.outage else None,
        silenced_until=mute.to_at if mute else None,
    )


def _with_live(links: Sequence[LinkShown], outages: Rows) -> Rows:
    """The outages of the marts, before them those that the watch has confirmed since."""
    known = {row["incident_id"] for row in outages}
    return [
        {
            "incident_id": link.incident_id,
            "server_name": link.server_name,
            "started_at": link.outage_started_at,
            "ended_at": None,
            "cause": link.cause,
            "notified_at": None,
        }
        for link in links
        if link.outage_started_at is not None and link.incident_id not in known
    ] + outages


def _summary(views: Sequence[View]) -> dict[str, Any]:
    lines: list[str] = []
    is_bad = False
    for view in views:
        figure = reading.coverage_on(view.issue, view.day).get(view.top)
        links = [_link(view, row) for row in reading.servers_on(view.issue, view.day, view.top)]
        lost = [link for link in links if link.outage_started_at is not None]
        is_bad = is_bad or bool(lost)
        said = "chưa có số liệu"
        if figure is not None:
            said = (
                f"ngày {words.day(view.day)} đã cài {words.number(figure['installed_count'])}"
                f" trên {words.number(figure['allocated_count'])} bản quyền"
                f" ({words.ratio(figure['installed_count'], figure['allocated_count'])}),"
                f" đúng tên {words.number(figure['correctly_named_count'])}"
            )
        lines.append(f"{view.tree.name(view.top)}: {said}.")
        lines += [
            f"{link.server_name}: mất kết nối từ {words.instant(link.outage_started_at)}"
            f" ({words.lasted(view.now - (link.outage_started_at or view.now))})."
            for link in lost
        ]
        if not lost:
            lines.append(f"{len(links)} máy chủ, không có máy chủ nào đang mất kết nối.")
    return {"lines": lines, "is_bad": is_bad, "now": words.instant(views[0].now)}


# Letters


def _letter_view(
    room: Room, request: Request, estate_code: str, stem: str, user: str
) -> tuple[View, documents.Drafted]:
    """A letter belongs to the unit that it is about: whoever may see that may read it."""
    found = documents.drafted(estate_code, stem)
    if found is None:
        raise HTTPException(404)
    view = room.view(user, request, found.unit_code)
    if view.estate != estate_code:
        raise HTTPException(404)
    return view, found


# A server's page and its deeds


def _server_view(
    room: Room, request: Request, server_code: str, user: str
) -> tuple[View, dict[str, Any]]:
    reader = room.reader(user)
    issue = room.issue(reader)
    found = reading.server(issue, server_code)
    if found is None:
        raise HTTPException(404)
    if reader.role is Role.UNIT_OFFICER:
        view = room.view(user, request)
        own = {row["server_code"] for row in reading.servers_on(issue, view.day, view.top)}
        if server_code not in own:
            raise HTTPException(403)
    else:
        view = room.view(user, request, found["unit_code"])
    return room.with_live(view), found


def _server_page(
    room: Room,
    view: View,
    found: Mapping[str, Any],
    done: str = "",
    error: LedgerError | None = None,
) -> HTMLResponse:
    code = found["server_code"]
    since = view.at - timedelta(days=7)
    row = next(
        (
            one
            for one in reading.servers_on(view.issue, view.day, found["unit_code"])
            if one["server_code"] == code
        ),
        None,
    )
    shown_link = _link(view, row) if row else None
    return room.render(
        "server.html.j2",
        view,
        400 if error else 200,
        server=found,
        shown_link=shown_link,
        pieces=charts.link_pieces(
            reading.intervals_of(view.issue, code, since, view.at), since, view.at
        ),
        since=since,
        outages=_with_live(
            [shown_link] if shown_link else [], reading.outages_of(view.issue, [code], view.at)
        ),
        loads=reading.loads_of(view.issue, code, view.at),
        hours=deeds.HOURS,
        may_act=view.reader.may_act and view.is_newest,
        token=tokens.make(
            tokens.secret_of(room.settings.places.state), view.reader.user_name, room.real_now()
        ),
        done=_DONE.get(done, ""),
        error=error,
    )


_DONE = {
    "tiep-nhan": "Đã ghi nhận việc tiếp nhận sự cố.",
    "tam-ngung": "Đã tạm ngừng cảnh báo của máy chủ này.",
}

Form = Mapping[str, str]
Deed = Callable[[Room, Reader, str, Form], str]


async def _form(request: Request) -> dict[str, str]:
    """The fields of a small form; 403 when a browser says that another site sends it."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        raise HTTPException(403)
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(415)
    if int(request.headers.get("content-length") or LONGEST_FORM + 1) > LONGEST_FORM:
        raise HTTPException(413)
    async with request.form(max_fields=12) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}


async def _done(
    room: Room, request: Request, server_code: str, user: str, form: Form, deed: Deed
) -> Response:
    """Check role and token, do it, and send the browser back to the server's page."""
    reader = room.reader(user)
    secret = tokens.secret_of(room.settings.places.state)
    if not reader.may_act:
        raise HTTPException(403)
    if not tokens.is_good(form.get("ma_phien", ""), secret, reader.user_name, room.real_now()):
        raise HTTPException(403)
    view, found = _server_view(room, request, server_code, user)
    try:
        done = deed(room, reader, server_code, form)
    except LedgerError as error:
        return _server_page(room, view, found, error=error)
    return RedirectResponse(f"{view.root}/may-chu/{server_code}?{urlencode({'xong': done})}", 303)


def _acknowledge(room: Room, reader: Reader, server_code: str, form: Form) -> str:
    now = clock_of(room.settings.places).now()
    deeds.acknowledge(
        room.settings,
        reader,
        server_code,
        form.get("su_co", ""),
        form.get("gio", ""),
        form.get("noi_dung", ""),
        now,
    )
    return "tiep-nhan"


def _silence(room: Room, reader: Reader, server_code: str, form: Form) -> str:
    now = clock_of(room.settings.places).now()
    deeds.silence(
        room.settings,
        reader,
        server_code,
        form.get("gio", ""),
        form.get("ly_do", ""),
        form.get("nguoi", ""),
        now,
    )
    return "tam-ngung"


# Small helpers


class _Guarded:
    """Security headers on every answer, errors included."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message.get("headers", [])}
                message["headers"] = [
                    *message.get("headers", []),
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in HEADERS.items()
                        if name.lower().encode() not in given
                    ),
                ]
            await send(message)

        await self._app(scope, receive, guarded)


_REFUSALS = {
    401: ("Chưa đăng nhập", "Hãy đăng nhập Airflow rồi mở lại trang này."),
    403: ("Không được phép", "Tài khoản của bạn không được xem hoặc thực hiện việc này."),
    404: ("Không tìm thấy", "Không có mục này trong số liệu của ngày đang xem."),
    413: ("Biểu mẫu quá lớn", "Rút ngắn nội dung rồi gửi lại."),
    415: ("Sai kiểu dữ liệu", "Gửi bằng biểu mẫu của trang này."),
}


def _add_error_pages(app: FastAPI, room: Room) -> None:
    def page(request: Request, status: int, title: str, text: str) -> HTMLResponse:
        body = room.templates.get_template("refused.html.j2").render(
            title=title, text=text, status=status, root=request.scope.get("root_path", "")
        )
        return HTMLResponse(body, status)

    def refused(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, StarletteHTTPException) else 500
        title, text = _REFUSALS.get(status, ("Không thực hiện được", "Thử lại sau."))
        return page(request, status, title, text)

    def not_listed(request: Request, error: Exception) -> Response:
        return page(request, 403, "Không được phép", str(error))

    def mendable(request: Request, error: Exception) -> Response:
        status = 400 if isinstance(error, LedgerError) and error.code == "no_such_day" else 503
        return page(request, status, "Chưa có số liệu", str(error))

    app.add_exception_handler(StarletteHTTPException, refused)
    app.add_exception_handler(NotOnTheList, not_listed)
    app.add_exception_handler(LedgerError, mendable)


def _templates() -> Environment:
    env = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "s": words.shown,
        "n": words.number,
        "day": words.day,
        "instant": words.instant,
        "lasted": words.lasted,
    }
    env.globals |= {"words": words, "ratio": words.ratio, "charts": charts}
    return env


def _linker(view: View) -> Callable[..., str]:
    """Addresses below the page's root, keeping the day that is looked at."""

    def link(path: str, **changed: object) -> str:
        query: dict[str, object] = {}
        if not view.is_newest:
            query["ngay"] = words.day(view.day)
        query |= {name: value for name, value in changed.items() if value is not None}
        if path == "" and "dia_ban" not in query:
            query["dia_ban"] = view.estate
        return f"{view.root}/{path}" + (f"?{urlencode(query)}" if query else "")

    return link


def _day(text: str, first: date, last: date) -> date:
    """The day a person asks for, or the nearest one of which there are figures."""
    if not text:
        return last
    try:
        wanted = date.fromisoformat(text) if text[:4].isdigit() and "-" in text else read_date(text)
    except (ValueError, FigureError) as error:
        raise LedgerError(
            "no_such_day",
            "Ngày không đúng dạng.",
            "Ghi ngày theo dạng 12/10/2022.",
        ) from error
    return min(max(wanted, first), last)


def _any_unit(issue: Issue, unit_code: str) -> reading.Unit | None:
    """A unit that is no longer in force on the newest day."""
    rows = issue.rows(
        "select unit_code, unit_name, estate_code, parent_unit_code, list_order"
        " from marts.dim_unit where unit_code = $code order by valid_from_date desc limit 1",
        {"code": unit_code},
    )
    return reading.Unit(**rows[0]) if rows else None


def _estate_name(tree: reading.Tree, estate: str, issue: Issue) -> str:
    for code in tree.children.get(None, ()):
        if tree.units[code].estate_code == estate:
            return tree.units[code].unit_name
    rows = issue.kept_rows(
        "select unit_name from marts.dim_unit where estate_code = $estate"
        " and parent_unit_code is null order by valid_from_date desc limit 1",
        {"estate": estate},
    )
    return str(rows[0]["unit_name"]) if rows else estate


def _skip(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _counted(values: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return found


def _real_now() -> datetime:
    return datetime.now(UTC)
