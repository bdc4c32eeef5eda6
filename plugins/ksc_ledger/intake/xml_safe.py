"""XML without document types and entities, and one answer for everything that is not XML."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from xml.etree.ElementTree import (
    Element,
    ParseError,
)

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring, iterparse  # type: ignore[import-untyped]

from ksc_ledger.intake.reasons import Reason, Refused

_DOCTYPE = "<!DOCTYPE"
PROLOG_BYTES = 4096


__all__ = [
    "PROLOG_BYTES",
    "DefusedXmlException",
    "Source",
    "attribute",
    "children",
    "has_doctype",
    "local_name",
    "parsed",
    "pieces",
]


class Source(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def pieces(source: Source) -> Iterator[Element]:
    """Each element of a large XML text as it ends, entities and document types refused."""
    for _, element in iterparse(source, events=("end",), forbid_dtd=True):
        yield element


@contextmanager
def xml_faults() -> Iterator[None]:
    """Refuse, in our words, what a parser refuses."""
    try:
        yield
    except DefusedXmlException as error:
        raise Refused(Reason.DTD) from error
    except (ParseError, LookupError, ValueError, RecursionError) as error:
        if isinstance(error, UnicodeError | LookupError):
            raise Refused(Reason.UNKNOWN_ENCODING) from error
        raise Refused(Reason.UNREADABLE, what=f"XML: {type(error).__name__}") from error


def parsed(data: bytes) -> Element:
    """The root of a small XML text; raise Refused."""
    with xml_faults():
        root: Element = fromstring(data, forbid_dtd=True)
    return root


def has_doctype(start: bytes) -> bool:
    """Whether a document type stands in the first bytes of an XML text, in any of its encodings."""
    head = start[:PROLOG_BYTES]
    return any(_DOCTYPE.encode(name) in head for name in ("utf-8", "utf-16-le", "utf-16-be"))


def local_name(tag: str) -> str:
    """A tag or attribute name without its namespace."""
    return tag.rpartition("}")[2]


def children(parent: Element, name: str) -> list[Element]:
    """The direct children of that local name."""
    return [child for child in parent if local_name(child.tag) == name]


def attribute(element: Element, name: str) -> str | None:
    """An attribute by its local name."""
    for key, value in element.attrib.items():
        if local_name(key) == name:
            return value
    return None
