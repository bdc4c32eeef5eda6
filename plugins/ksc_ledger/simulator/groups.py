"""A server's administration groups: the tree that its paths make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ksc_ledger.simulator.cells import UNASSIGNED
from ksc_ledger.simulator.scenario import GroupRow

# Ids of the three built-in groups and the first of the others. Only their types are documented.
MANAGED_ID: Final = 0
UNASSIGNED_ID: Final = 1
SUPER_ID: Final = 2
FIRST_ID: Final = 16

MANAGED_NAME: Final = "Managed devices"
UNASSIGNED_NAME: Final = "Unassigned devices"


@dataclass(frozen=True, slots=True)
class Group:
    """``parent_id`` of the two top groups is the id of "Primary server"."""

    id: int
    name: str
    parent_id: int
    level: int
    full_name: str
    ancestor_ids: tuple[int, ...]  # itself first, the top group last


class GroupIds:
    """Ids by path, the same at every instant: in order of the file, missing parents made."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._ids: dict[str, int] = {}
        for path in paths:
            for parent in _with_parents(path):
                self._ids.setdefault(parent, FIRST_ID + len(self._ids))

    def of(self, path: str) -> int:
        return self._ids[path]


class GroupTree:
    """The groups that exist at one instant: those of the file, and those that devices lie in."""

    def __init__(
        self, rows: Sequence[GroupRow], in_use: Iterable[str], ids: GroupIds, at: datetime
    ) -> None:
        managed = Group(MANAGED_ID, MANAGED_NAME, SUPER_ID, 0, MANAGED_NAME, (MANAGED_ID,))
        unassigned = Group(
            UNASSIGNED_ID, UNASSIGNED_NAME, SUPER_ID, 0, UNASSIGNED_NAME, (UNASSIGNED_ID,)
        )
        self._by_path: dict[str, Group] = {"": managed, UNASSIGNED: unassigned}
        for leaf in (*(row.group_path for row in rows if row.period.holds(at)), *in_use):
            for path in _with_parents(leaf):
                if path not in self._by_path:
                    self._by_path[path] = self._grown(path, ids)
        self._by_id = {group.id: group for group in self._by_path.values()}
        self._children: dict[int, list[Group]] = {}
        for group in self._by_id.values():
            self._children.setdefault(group.parent_id, []).append(group)

    def _grown(self, path: str, ids: GroupIds) -> Group:
        parent_path, _, name = path.rpartition("/")
        parent = self._by_path[parent_path]
        own_id = ids.of(path)
        return Group(
            own_id,
            name,
            parent.id,
            parent.level + 1,
            f"{parent.full_name}/{name}",
            (own_id, *parent.ancestor_ids),
        )

    def of_path(self, path: str) -> Group:
        """The group of a path of the scenario: of its file, or in use by a device."""
        return self._by_path[path]

    def of_id(self, group_id: int) -> Group | None:
        return self._by_id.get(group_id)

    def children(self, group_id: int) -> Sequence[Group]:
        return self._children.get(group_id, [])

    def __iter__(self) -> Iterator[Group]:
        return iter(self._by_id.values())


def _with_parents(path: str) -> Iterator[str]:
    segments = path.split("/")
    for length in range(1, len(segments) + 1):
        yield "/".join(segments[:length])
