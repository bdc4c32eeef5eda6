"""Reports that a KSC console exports as XML or JSON: a tree of records, made into one sheet.

No real sample was seen yet: names and nesting follow the vendor's documentation (data, records,
record, field; fields with name, order, df_name), read loosely in both of its spellings, attributes
or elements. What does not fit is refused, not half read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element

from ksc_ledger.intake.decoding import decoded
from ksc_ledger.intake.document import BLANK, Cell, CellKind, Document, Format, Sheet
from ksc_ledger.intake.limits import Limits
from ksc_ledger.intake.reasons import Reason, Refused
from ksc_ledger.intake.xml_safe import local_name
from ksc_ledger.rules.text import nfc

Node = dict[str, Any]

_HEADING = ("heading", "subhead", "description", "generation_date")
_DEPTH = 40
# The name shown to people first: it is what a table of synonyms knows.
_NAME_KEYS = ("df_name", "name")
_VALUE_KEYS = ("df_val", "value")


def read_ksc_xml(root: Element, limits: Limits) -> Document:
    """Read the tree of a report in XML; raise Refused."""
    return _document(_node(root, 0), Format.KSC_XML, limits)


def read_json(data: bytes, limits: Limits) -> Document:
    """Read a report in JSON: the same tree, or a plain list of flat objects; raise Refused."""
    found = decoded(data)
    try:
        raw = json.loads(
            found.text,
            object_pairs_hook=_without_twins,
            parse_constant=_no_constant,
            parse_int=_Number,
            parse_float=_Number,
        )
    except (ValueError, RecursionError) as error:
        raise Refused(Reason.UNREADABLE, what=f"JSON: {type(error).__name__}") from error
    if isinstance(raw, list):
        return _flat(raw, limits)
    if not isinstance(raw, dict):
        raise Refused(Reason.UNREADABLE, what="JSON")
    rows = next((one for one in raw.values() if _is_flat_list(one)), None)
    return _flat(rows, limits) if rows is not None else _document(raw, Format.KSC_JSON, limits)


class _Number(str):
    """A number as the file wrote it, digit by digit."""

    __slots__ = ()


def _without_twins(pairs: list[tuple[str, Any]]) -> Node:
    node = dict(pairs)
    if len(node) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return node


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _node(element: Element, depth: int) -> Node | str:
    """An element as JSON would have it: repeated children are a list, a leaf is its text."""
    if depth > _DEPTH:
        raise Refused(Reason.UNREADABLE, what="XML quá sâu")
    node: Node = {local_name(name): value for name, value in element.attrib.items()}
    for child in element:
        name = local_name(child.tag)
        value = _node(child, depth + 1)
        if name not in node:
            node[name] = value
        elif isinstance(node[name], list):
            node[name].append(value)
        else:
            node[name] = [node[name], value]
    text = (element.text or "").strip()
    if node and text:
        node.setdefault("value", text)
    return node or text


def _document(root: Node | str, form: Format, limits: Limits) -> Document:
    records = _items(_branch(root, "records"), "record")
    columns = _items(_branch(root, "fields"), "field")
    if not records or not columns:
        raise Refused(Reason.UNREADABLE, what="không có bảng chi tiết của báo cáo KSC")
    orders = [_order(column, at) for at, column in enumerate(columns)]
    names = [str(column.get("name", "")) if isinstance(column, dict) else "" for column in columns]
    header = [_said(column, _NAME_KEYS) for column in columns]
    rows = [[Cell(name) if name else BLANK for name in header]]
    for record in records:
        fields = _items(record, "field")
        if len(fields) != len(columns):
            raise Refused(
                Reason.RAGGED_ROW, cell=f"A{len(rows) + 1}", what=len(fields), limit=len(columns)
            )
        by_name = {one.get("name"): one for one in fields if isinstance(one, dict)}
        if set(by_name) == set(names) and len(by_name) == len(columns):
            fields = [by_name[name] for name in names]
        elif orders != sorted(orders):
            # Values without names, columns in another order: whose is whose would be a guess.
            raise Refused(Reason.UNREADABLE, what="thứ tự cột của báo cáo KSC không rõ")
        rows.append([_value_cell(one) for one in fields])
    summary = _branch(root, "summary")
    lines = [
        nfc(str(summary[name]))
        for name in _HEADING
        if isinstance(summary, dict) and isinstance(summary.get(name), str) and summary[name]
    ]
    return _sheet_document(rows, form, limits, lines)


def _flat(raw: Sequence[Any], limits: Limits) -> Document:
    if not raw or not all(isinstance(row, dict) for row in raw):
        raise Refused(Reason.UNREADABLE, what="JSON không phải danh sách các dòng")
    header = list(dict.fromkeys(name for row in raw for name in row))
    rows = [[Cell(nfc(name)) for name in header]]
    rows += [[_value_cell(row.get(name)) for name in header] for row in raw]
    return _sheet_document(rows, Format.KSC_JSON, limits, [])


def _sheet_document(
    rows: list[list[Cell]], form: Format, limits: Limits, lines: list[str]
) -> Document:
    if len(rows) > limits.rows:
        raise Refused(Reason.TOO_MANY_ROWS, limit=limits.rows, what=len(rows))
    if len(rows[0]) > limits.columns:
        raise Refused(Reason.TOO_MANY_COLUMNS, limit=limits.columns, what=len(rows[0]))
    for number, row in enumerate(rows, start=1):
        for cell in row:
            if len(cell.text) > limits.cell_characters:
                raise Refused(
                    Reason.CELL_TOO_LONG,
                    cell=f"A{number}",
                    what=len(cell.text),
                    limit=limits.cell_characters,
                )
    sheet = Sheet(name="", rows=tuple(tuple(row) for row in rows))
    return Document(format=form, sheets=(sheet,), lines=tuple(lines), encoding="utf-8")


def _branch(root: Node | str, name: str) -> Any:
    """A branch of the tree, below ``data`` or beside it."""
    if not isinstance(root, dict):
        return None
    data = root.get("data")
    inside = data.get(name) if isinstance(data, dict) else None
    return root.get(name) if inside is None else inside


def _items(node: Any, name: str) -> list[Any]:
    """A list, whether it stands as one, below ``name``, or as a single item."""
    found = node.get(name, []) if isinstance(node, dict) else node
    if isinstance(found, list):
        return found
    return [found] if found else []


def _order(column: Any, at: int) -> int:
    text = str(column.get("order", "")) if isinstance(column, dict) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else at


def _said(node: Any, keys: Sequence[str]) -> str:
    if isinstance(node, dict):
        node = next((node[key] for key in keys if node.get(key) not in (None, "")), "")
    return nfc(node) if isinstance(node, str) else ""


def _value_cell(node: Any) -> Cell:
    if isinstance(node, dict):
        node = next((node[key] for key in _VALUE_KEYS if node.get(key) not in (None, "")), "")
    if node is None or node == "":
        return BLANK
    if isinstance(node, bool):
        return Cell("TRUE" if node else "FALSE", CellKind.BOOLEAN)
    if isinstance(node, _Number):
        return Cell(str(node), CellKind.NUMBER)
    if not isinstance(node, str):
        raise Refused(Reason.UNREADABLE, what="giá trị lồng nhau trong một ô")
    return Cell(nfc(node))


def _is_flat_list(node: Any) -> bool:
    return (
        isinstance(node, list)
        and bool(node)
        and all(
            isinstance(row, dict) and not any(isinstance(one, dict | list) for one in row.values())
            for row in node
        )
    )
