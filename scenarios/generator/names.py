"""Computer names, right and wrong. Given names are common words, initials are drawn: nobody real."""

from __future__ import annotations

import random
import string

LONGEST = 15

GIVEN_NAMES = (
    "AN",
    "BINH",
    "CHAU",
    "CUONG",
    "DAT",
    "DIEM",
    "DUNG",
    "GIANG",
    "HA",
    "HAI",
    "HANH",
    "HIEN",
    "HOA",
    "HOANG",
    "HUNG",
    "HUONG",
    "KHANH",
    "KHOA",
    "LAN",
    "LINH",
    "LOAN",
    "LONG",
    "MAI",
    "MINH",
    "NAM",
    "NGA",
    "NGAN",
    "NGOC",
    "NHAN",
    "NHU",
    "OANH",
    "PHAT",
    "PHUC",
    "QUAN",
    "QUY",
    "SANG",
    "SON",
    "TAM",
    "THAO",
    "THI",
    "THO",
    "THU",
    "THUY",
    "TIEN",
    "TINH",
    "TOAN",
    "TRAM",
    "TRANG",
    "TRI",
    "TRUC",
    "TRUNG",
    "TU",
    "TUAN",
    "TUYET",
    "UYEN",
    "VAN",
    "VIET",
    "VINH",
    "XUAN",
    "YEN",
)
INITIALS = "BDHLNPQTV"
DESKS = ("VT", "KT", "LD", "TH", "1C", "CM", "HC", "TD")
ALPHANUMERIC = string.ascii_uppercase + string.digits


class NameBook:
    """The names in use on one server; nobody gets a name twice, whatever its case."""

    def __init__(self) -> None:
        self._used: set[str] = set()

    def take(self, name: str) -> str:
        key = name.upper()
        if key in self._used:
            raise ValueError(f"{name} is in use already")
        self._used.add(key)
        return name

    def is_free(self, name: str) -> bool:
        return name.upper() not in self._used

    def correct(self, rng: random.Random, prefix: str) -> str:
        """`<PREFIX>-<part>[-<part>]`, at most 15 characters, now and then in lower case."""
        while True:
            person = rng.choice(GIVEN_NAMES) + rng.choice(INITIALS) + rng.choice(INITIALS)
            form = rng.random()
            if form < 0.60:
                name = f"{prefix}-{person}"
            elif form < 0.85:
                name = f"{prefix}-{rng.choice(DESKS)}-{person}"
            else:
                name = f"{prefix}-{rng.choice(DESKS)}{rng.randrange(1, 20):02d}"
            if len(name) <= LONGEST and self.is_free(name):
                return self.take(name.lower() if rng.random() < 0.03 else name)

    def desktop(self, rng: random.Random) -> str:
        return self._drawn(rng, "DESKTOP-", 7)

    def laptop(self, rng: random.Random) -> str:
        return self._drawn(rng, "LAPTOP-", 8)

    def windows(self, rng: random.Random) -> str:
        return self._drawn(rng, "WIN-", 11)

    def _drawn(self, rng: random.Random, head: str, length: int) -> str:
        while True:
            name = head + "".join(rng.choice(ALPHANUMERIC) for _ in range(length))
            # A part of digits only would read like a number somebody gave on purpose.
            if not name[len(head) :].isdigit() and self.is_free(name):
                return self.take(name)


def any_wrong(rng: random.Random, book: NameBook, other_prefixes: list[str]) -> tuple[str, str]:
    """A wrong name in the mix that offices produce, and the kind of mistake it is."""
    point = rng.random()
    if point < 0.50:
        return book.desktop(rng), "OS_DEFAULT"
    if point < 0.62:
        return book.laptop(rng), "OS_DEFAULT"
    while True:
        person = rng.choice(GIVEN_NAMES).lower()
        if point < 0.82:
            name, kind = f"may{person}{rng.choice(INITIALS).lower()}", "NO_UNIT_PREFIX"
        elif point < 0.90 and other_prefixes:
            name, kind = f"{rng.choice(other_prefixes)}-{person.upper()}", "WRONG_UNIT"
        else:
            name, kind = f"MAY {person.upper()} {rng.randrange(2, 60):02d}", "WHITESPACE"
        if len(name) <= LONGEST and book.is_free(name):
            return book.take(name), kind
