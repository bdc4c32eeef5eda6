"""Random numbers that are the same on every machine and every Python this product runs on."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping, Sequence
from typing import TypeVar

Value = TypeVar("Value")

SEED = "ksc-ledger-scenarios-1"


def stream(*names: str) -> random.Random:
    """The stream of random numbers of one subject. Seeding by text does not use hash()."""
    return random.Random("/".join((SEED, *names)))  # noqa: S311  (nothing here is a secret)


def host_id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def deck(rng: random.Random, size: int, shares: Mapping[Value, float]) -> list[Value]:
    """`size` values in the given shares (largest remainders), shuffled."""
    total = sum(shares.values())
    exact = [(value, size * share / total) for value, share in shares.items()]
    counts = [int(wanted) for _, wanted in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (counts[i] - exact[i][1], i))
    for index in by_remainder[: size - sum(counts)]:
        counts[index] += 1
    cards = [value for (value, _), count in zip(exact, counts, strict=True) for _ in range(count)]
    rng.shuffle(cards)
    return cards


def weighted(rng: random.Random, shares: Mapping[Value, float]) -> Value:
    point = rng.random() * sum(shares.values())
    for value, share in shares.items():
        point -= share
        if point < 0:
            return value
    return list(shares)[-1]


def some(rng: random.Random, values: Sequence[Value], count: int) -> list[Value]:
    """`count` of the values in their own order."""
    chosen = sorted(rng.sample(range(len(values)), count))
    return [values[index] for index in chosen]
