"""Bring Superset's own database to what this folder says: `python -m bi.provision`.

May be run again at any time: what is ours is overwritten, what people made themselves stays.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import superset
from flask import g
from flask_migrate import upgrade
from superset.app import create_app

from bi import assets, connection, places, published
from bi.words import compile_words
from ksc_ledger import settings

VIEWER_ROLE = "KSC_xem"
VIEWERS_TOO = frozenset(
    {
        ("can_csv", "Superset"),
        ("can_log", "Superset"),  # pages report clicks and stumble when refused; nobody keeps them
        ("can_read", "SecurityRestApi"),  # the token against forged requests
        ("can_recent_activity", "Log"),
        ("can_userinfo", "UserDBModelView"),
        ("menu_access", "Dashboards"),
    }
)
_PEOPLE: Mapping[str, tuple[str, tuple[str, ...]]] = {
    places.ADMIN: ("Quản trị", ("Admin",)),
    places.VIEWER: ("Chỉ xem", (VIEWER_ROLE,)),
}


def main() -> int:
    home = places.of(settings.load())
    places.make(home)
    views = published.views(home.marts_file)
    written = assets.read(places.ASSETS)
    compile_words(places.WORDS, home.words)
    app = create_app()
    with app.app_context():
        upgrade(directory=str(Path(superset.__file__).parent / "migrations"))
        _people(app, home)
        _import(assets.for_import(written, views, home.marts_file))
        _remove(_gone(home, written))
        _let_viewers_read(app)
        counts = _counts()
    places.write_secret(
        home.mark,
        json.dumps(
            {
                "fingerprint": published.fingerprint(home.marts_file, views),
                "uuids": {kind: sorted(found) for kind, found in written.uuids.items()},
            }
        ),
    )
    sys.stdout.write(json.dumps(counts) + "\n")
    return 0


def _people(app: Any, home: places.Places) -> None:
    """The two users, with passwords of the file; who is there already is left as he is."""
    manager = app.appbuilder.sm
    app.appbuilder.add_permissions(update_perms=True)
    manager.sync_role_definitions()
    manager.add_role(VIEWER_ROLE)
    known, made = places.passwords(home, _PEOPLE)
    for name, (called, roles) in _PEOPLE.items():
        user = manager.find_user(name)
        if user is None:
            user = manager.add_user(
                name,
                called,
                "KSC",
                f"{name}@ksc-ledger.example",
                [manager.find_role(role) for role in roles],
                password=known[name],
            )
            if not user:
                raise RuntimeError(f"user {name} was not made")
        elif name in made:  # the file was lost: a new password is the only one that is known
            manager.reset_password(user.id, known[name])
    g.user = manager.find_user(places.ADMIN)


def _import(files: dict[str, str]) -> None:
    from superset.commands.importers.v1.assets import ImportAssetsCommand

    try:
        ImportAssetsCommand(files).run()
    except Exception as error:
        # Superset's own text says "unknown reason"; the reason is behind it.
        raise RuntimeError(f"the dashboard was not imported: {error.__cause__ or error}") from error


def _gone(home: places.Places, written: assets.Written) -> dict[str, set[str]]:
    """What an earlier provisioning made and this one does not name any more."""
    before: dict[str, list[str]] = {}
    with suppress(FileNotFoundError):
        before = json.loads(home.mark.read_text("utf-8"))["uuids"]
    return {kind: set(before.get(kind, ())) - now for kind, now in written.uuids.items()}


def _models() -> dict[str, Any]:
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.core import Database
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    # In this order they can be removed: nothing stands on what went before.
    return {"dashboard": Dashboard, "chart": Slice, "dataset": SqlaTable, "database": Database}


def _remove(gone: Mapping[str, Iterable[str]]) -> None:
    from superset import db

    for kind, model in _models().items():
        for one in db.session.query(model):
            if str(one.uuid) in gone[kind]:
                db.session.delete(one)
    db.session.commit()


def _let_viewers_read(app: Any) -> None:
    """What Superset would let a stranger see of a public dashboard, tables as files, our figures."""
    from superset import db
    from superset.models.core import Database

    manager = app.appbuilder.sm
    database = db.session.query(Database).filter_by(database_name=connection.DATABASE).one()
    wanted = manager.PUBLIC_ROLE_PERMISSIONS | VIEWERS_TOO
    manager.find_role(VIEWER_ROLE).permissions = [
        manager.add_permission_view_menu(permission, view) for permission, view in sorted(wanted)
    ] + [manager.add_permission_view_menu("database_access", database.perm)]
    db.session.commit()


def _counts() -> dict[str, int]:
    from superset import db
    from superset.connectors.sqla.models import SqlMetric, TableColumn

    counted = {**_models(), "column": TableColumn, "metric": SqlMetric}
    return {kind: db.session.query(model).count() for kind, model in counted.items()}


if __name__ == "__main__":
    sys.exit(main())
