"""The roles as a table: least rights, and that the tables on paper are the ones that are tested."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ksc_ledger.deployment.roles import PERMISSIONS, Changed, apply, wider_people
from ksc_ledger.errors import LedgerError
from ksc_ledger.ops_room.access import (
    DATA_DOCS_RESOURCE,
    DEEDS_RESOURCE,
    OF_ESTATES,
    PAGE_RESOURCES,
    Role,
)
from ksc_ledger.ops_room.tokens import secret_of
from ksc_ledger.state import open_state
from ksc_ledger.warehouse import publish
from ksc_ledger.warehouse.unit_files import publish_units
from roles import matrix
from unit.warehouse.builders import T0, House, a_host, a_small_estate

ROLES = [str(role) for role in Role]
WRITING = {"can_create", "can_edit", "can_delete"}
OWN = ("can_edit", "My Password")


def written(role: Role) -> set[tuple[str, str]]:
    return {one for one in PERMISSIONS[role] if one[0] in WRITING} - {OWN}


def test_every_role_of_the_page_is_a_role_of_airflow() -> None:
    assert set(PERMISSIONS) == set(Role)


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.UNIT_OFFICER, *sorted(OF_ESTATES)])
def test_who_may_not_act_on_the_page_may_change_nothing_in_airflow(role: Role) -> None:
    assert written(role) == set()


@pytest.mark.parametrize("role", [Role.UNIT_OFFICER, *sorted(OF_ESTATES)])
def test_an_officer_and_people_of_an_estate_have_the_page_and_nothing_of_airflow(
    role: Role,
) -> None:
    seen = {resource for action, resource in PERMISSIONS[role]}
    assert not seen & {"DAGs", "DAG Runs", "Task Instances", "Connections", DATA_DOCS_RESOURCE}
    assert not any(action == "menu_access" for action, _ in PERMISSIONS[role])


def test_only_who_may_act_somewhere_may_do_the_deeds_of_the_page() -> None:
    with_deeds = {role for role in Role if ("can_read", DEEDS_RESOURCE) in PERMISSIONS[role]}
    assert with_deeds == {Role.OPS, Role.ENGINEER, Role.ESTATE_OPS}


def test_only_an_engineer_sees_connections_and_pools() -> None:
    for role in set(Role) - {Role.ENGINEER}:
        assert not any(of in {"Connections", "Pools"} for _, of in PERMISSIONS[role]), role


def test_nobody_may_manage_people_or_see_the_configuration_or_delete_a_history() -> None:
    for permissions in PERMISSIONS.values():
        seen = {resource for _, resource in permissions}
        assert not seen & {"Users", "Roles", "Passwords", "Permissions", "Configurations"}
        assert (
            not {("can_delete", of) for of in ("DAGs", "DAG Runs", "Task Instances")} & permissions
        )


def test_free_text_that_may_name_machines_is_kept_from_whom_names_are_masked_for() -> None:
    assert not {("can_read", "Task Logs"), ("can_read", "XComs")} & PERMISSIONS[Role.AUDITOR]


@pytest.mark.parametrize(
    ("in_airflow", "on_the_page"),
    [
        (Role.UNIT_OFFICER, {Role.UNIT_OFFICER}),
        (Role.AUDITOR, {Role.AUDITOR, Role.ESTATE_AUDITOR}),
        (Role.OPS, set(Role) - {Role.ENGINEER}),
        (Role.ESTATE_AUDITOR, {Role.ESTATE_AUDITOR}),
        (Role.ESTATE_OPS, {Role.ESTATE_OPS, Role.ESTATE_AUDITOR, Role.UNIT_OFFICER}),
        (Role.ENGINEER, set(Role)),
    ],
)
def test_the_page_never_makes_anybody_wider_than_airflow_does(
    in_airflow: Role, on_the_page: set[Role]
) -> None:
    """An auditor is no officer: one sees no names, the other no other unit."""
    granted = {resource for _, resource in PERMISSIONS[in_airflow]}
    assert {role for role in Role if PAGE_RESOURCES[role] in granted} == on_the_page


@dataclass
class Named:
    name: str


@dataclass
class Permission:
    action: Named
    resource: Named


@dataclass
class Held:
    name: str
    permissions: list[Permission] = field(default_factory=list)


@dataclass
class Person:
    username: str
    email: str
    roles: list[Held]
    password: str
    is_active: bool = True


@dataclass
class Manager:
    """As FAB's security manager, without a database. ``is_deaf``: it keeps nothing, and says nothing."""

    is_deaf: bool = False
    roles: dict[str, Held] = field(default_factory=dict)
    people: list[Person] = field(default_factory=list)

    def find_role(self, name: str) -> Held | None:
        return self.roles.get(name)

    def add_role(self, name: str) -> Held:
        return self.roles.setdefault(name, Held(name))

    def create_permission(self, action_name: str, resource_name: str) -> Permission:
        return Permission(Named(action_name), Named(resource_name))

    def add_permission_to_role(self, role: Held, permission: Permission) -> None:
        if not self.is_deaf:
            role.permissions.append(permission)

    def remove_permission_from_role(self, role: Held, permission: Permission) -> None:
        role.permissions.remove(permission)

    def find_user(self, username: str | None = None, email: str | None = None) -> Person | None:
        found = (one for one in self.people if username == one.username or email == one.email)
        return next(found, None)

    def get_all_users(self) -> list[Person]:
        return self.people

    def add_user(
        self, username: str, first_name: str, last_name: str, email: str, role: Held, password: str
    ) -> None:
        self.people.append(Person(username, email, [role], password))


def test_roles_become_exactly_what_the_table_says_and_stay_so() -> None:
    manager = Manager()
    first = apply(manager)
    assert first == Changed(given=sum(map(len, PERMISSIONS.values())), taken=0)
    assert apply(manager) == Changed()
    assert sorted(manager.roles) == sorted([*ROLES, "Public"])
    assert manager.roles["Public"].permissions == []


def test_what_was_added_by_hand_is_taken_away_from_everybody_and_from_strangers() -> None:
    manager = Manager()
    apply(manager)
    for name in ("auditor", "Public"):
        manager.roles[name].permissions.append(manager.create_permission("can_edit", "DAGs"))
    assert apply(manager) == Changed(taken=2)


def test_a_role_that_is_not_kept_is_told() -> None:
    with pytest.raises(LedgerError, match="không lưu được quyền"):
        apply(Manager(is_deaf=True))


def test_people_with_another_role_or_two_or_none_are_named() -> None:
    manager = Manager()
    apply(manager)
    for number, names in enumerate([["Admin"], ["ops", "auditor"], [], ["ops"], ["Admin"]]):
        held = [manager.add_role(name) for name in names]
        manager.people.append(Person(f"n{number}", "", held, ""))
    manager.people[4].is_active = False
    assert wider_people(manager) == ["n0", "n1", "n2"]


def test_the_matrix_is_read_whole() -> None:
    rows = list(matrix.rows())
    lines = [line for line in matrix.TABLE.splitlines() if line.split()[1:2] and "/" in line]
    assert len(rows) == len(lines)
    assert len({row.name for row in rows}) == len(rows)


def test_the_security_page_shows_the_tables_that_are_tested() -> None:
    text = matrix.PAGE.read_text("utf-8")
    assert matrix.page_with_section(text) == text, "run: python tests/roles/matrix.py"


def test_published_files_have_the_modes_of_the_table(tmp_path: Path) -> None:
    house = House(tmp_path, a_small_estate().registry())
    house.land(T0, [a_host("m1")])
    house.build(T0)
    publish(house.settings, now=T0)
    publish_units(house.settings)
    open_state(house.settings.state_url).dispose()
    secret_of(house.settings.places.state)
    found = {}
    for path, mode in matrix.files():
        real = (tmp_path / path.replace("<unit_code>", "tinh")).resolve(strict=True)
        found[path] = (stat.filemode(real.stat().st_mode)[1:], mode)
    assert {path: both for path, both in found.items() if both[0] != both[1]} == {}
