"""What the published file says of itself, asked before anything is started."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import duckdb

from bi import assets, connection, places
from ksc_ledger.errors import LedgerError


def views(marts_file: Path) -> Mapping[str, tuple[assets.Column, ...]]:
    """The columns of every view for BI, by view; LedgerError where there is no such file."""
    if not marts_file.is_file():
        raise LedgerError(
            "not_published",
            f"Chưa có bản số liệu nào được xuất bản ({marts_file}).",
            "Chạy build_marts (hoặc make demo) rồi chạy lại make bi; nếu số liệu ở nơi khác, đặt "
            "KSC_LEDGER_HOME.",
        )
    try:
        with duckdb.connect(str(marts_file), **connection.connect_args()) as con:
            rows = con.execute(
                "select table_name, column_name, coalesce(comment, column_name), data_type"
                " from duckdb_columns() where schema_name = ? and not internal"
                " order by table_name, column_index",
                [assets.SCHEMA],
            ).fetchall()
    except duckdb.Error as error:
        raise LedgerError(
            "published_file_unreadable",
            f"Không đọc được tệp số liệu {marts_file}: {error}",
            "Chạy lại build_marts; nếu tệp do phần mềm mới hơn ghi, cập nhật phần mềm này.",
        ) from error
    found: dict[str, list[assets.Column]] = {}
    for view, name, label, kind in rows:
        found.setdefault(view, []).append(assets.Column(name, label, kind))
    missing = set(assets.read(places.ASSETS).datasets) - set(found)
    if missing:
        raise LedgerError(
            "published_by_older_program",
            f"Tệp số liệu {marts_file} do phiên bản phần mềm cũ xuất bản, thiếu khung nhìn "
            f"{', '.join(sorted(missing))}.",
            "Chạy build_marts một lần rồi chạy lại make bi.",
        )
    return {view: tuple(columns) for view, columns in found.items()}


def fingerprint(marts_file: Path, shown: Mapping[str, tuple[assets.Column, ...]]) -> str:
    """Changes when the program, or what the file looks like, does; never with its figures."""
    digest = hashlib.sha256(str(marts_file).encode())
    folder = places.REPOSITORY / "bi"
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".py", ".yaml", ".po", ".lock"):
            digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    looks = {
        view: [[one.name, one.label, one.type] for one in columns]
        for view, columns in sorted(shown.items())
    }
    digest.update(json.dumps(looks).encode())
    return digest.hexdigest()
