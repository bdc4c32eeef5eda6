"""The six roles in Airflow's auth manager for production (FAB), and nothing wider.

Airflow and the page "Tình hình" both have a say: the page asks Airflow whether somebody may be what
``page_users.csv`` makes of him (``ops_room.access``), so the narrower of the two holds. No role is
FAB's Admin: people are added on the host, by its command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from ksc_ledger.errors import LedgerError
from ksc_ledger.ops_room.access import DATA_DOCS_RESOURCE, DEEDS_RESOURCE, PAGE_RESOURCES, Role

Permission = tuple[str, str]  # FAB's name of an action, and of a resource


def _each(action: str, *resources: str) -> frozenset[Permission]:
    return frozenset((action, resource) for resource in resources)


def _page_as(*roles: Role) -> frozenset[Permission]:
    return _each("can_read", *(PAGE_RESOURCES[role] for role in roles))


# Signing in, the frame around the page, the own password. FAB gives "Website" to every role itself.
EVERYBODY = _each("can_read", "Website", "Plugins", "My Password", "My Profile") | _each(
    "can_edit", "My Password"
)
# What ran, when, and how it ended. No logs and no XComs: they are free text and may name machines.
LOOKING_ON = _each(
    "can_read",
    "DAGs",
    "DAG Code",
    "DAG Dependencies",
    "DAG Runs",
    "DAG Versions",
    "DAG Warnings",
    "Task Instances",
    "Assets",
    "Asset Aliases",
    "Cluster Activity",
    "HITL Detail",  # Airflow's list of DAGs does not open without it
    "ImportError",
    "Jobs",
    DATA_DOCS_RESOURCE,
) | _each("menu_access", "Browse", "DAGs", "DAG Runs", "Task Instances", "Assets", "Jobs")
# Start a run, clear a task, pause a DAG. Nothing is deleted, no connection is seen.
RUNNING = (
    _each("can_read", "Task Logs", "XComs")
    | _each("can_edit", "DAGs", "DAG Runs", "Task Instances")
    | _each("can_create", "DAG Runs")
)
# What Airflow needs to know to work. No variables and no configuration: the product has none there.
SETTING_UP = (
    _each("can_create", "Connections", "Pools", "Backfills")
    | _each("can_read", "Connections", "Pools", "Backfills", "Providers", "Triggers", "Audit Logs")
    | _each("can_edit", "Connections", "Pools", "Backfills")
    | _each("can_delete", "Connections", "Pools")
    | _each("menu_access", "Admin", "Connections", "Pools", "Plugins", "Providers", "Audit Logs")
)

# Two deeds about a server of one's own estates, and nothing of the DAGs, which are of all of them.
DEEDS = _each("can_read", DEEDS_RESOURCE)

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.UNIT_OFFICER: EVERYBODY | _page_as(Role.UNIT_OFFICER),
    Role.ESTATE_AUDITOR: EVERYBODY | _page_as(Role.ESTATE_AUDITOR),
    Role.ESTATE_OPS: EVERYBODY
    | DEEDS
    | _page_as(Role.ESTATE_OPS, Role.ESTATE_AUDITOR, Role.UNIT_OFFICER),
    Role.AUDITOR: EVERYBODY
    | LOOKING_ON
    | _each("can_read", "Audit Logs")
    | _each("menu_access", "Audit Logs")
    | _page_as(Role.AUDITOR, Role.ESTATE_AUDITOR),
    Role.OPS: EVERYBODY | LOOKING_ON | RUNNING | DEEDS | _page_as(*set(Role) - {Role.ENGINEER}),
    Role.ENGINEER: EVERYBODY | LOOKING_ON | RUNNING | DEEDS | SETTING_UP | _page_as(*Role),
}


class SecurityManager(Protocol):
    """The part of FAB's security manager that a first start uses."""

    def find_role(self, name: str) -> Any: ...
    def add_role(self, name: str) -> Any: ...
    def create_permission(self, action_name: str, resource_name: str) -> Any: ...
    def add_permission_to_role(self, role: Any, permission: Any) -> None: ...
    def remove_permission_from_role(self, role: Any, permission: Any) -> None: ...
    def find_user(self, username: str | None = None, email: str | None = None) -> Any: ...
    def get_all_users(self) -> Sequence[Any]: ...
    def add_user(
        self, username: str, first_name: str, last_name: str, email: str, role: Any, password: str
    ) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """How many permissions were given and taken; nothing of either the second time."""

    given: int = 0
    taken: int = 0


@contextmanager
def security_manager() -> Iterator[SecurityManager]:
    """FAB's, of the Airflow that the environment describes. For programs, not for the API server."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
    from airflow.providers_manager import ProvidersManager

    # Without it FAB does not know the defaults of its own settings.
    ProvidersManager().initialize_providers_configuration()
    with get_application_builder() as made:
        yield made.sm


def apply(manager: SecurityManager) -> Changed:
    """Make the six roles exactly as the table has them, and Public empty; safe at every start.

    Raises LedgerError when a role is not as the table has it afterwards: FAB only logs what fails.
    """
    given = taken = 0
    table = {str(role): permissions for role, permissions in PERMISSIONS.items()}
    for name, wanted in {**table, "Public": frozenset[Permission]()}.items():
        role = manager.find_role(name) or manager.add_role(name)
        held = _held(role)
        for key in held.keys() - wanted:
            manager.remove_permission_from_role(role, held[key])
            taken += 1
        for action, resource in sorted(wanted - held.keys()):
            manager.add_permission_to_role(role, manager.create_permission(action, resource))
            given += 1
        if _held(manager.find_role(name)).keys() != wanted:
            raise LedgerError(
                "role_not_applied",
                f"Airflow không lưu được quyền của vai trò {name}.",
                "Xem nhật ký của lệnh này; thường do cơ sở dữ liệu của Airflow không ghi được.",
            )
    return Changed(given=given, taken=taken)


def _held(role: Any) -> dict[Permission, Any]:
    return {(one.action.name, one.resource.name): one for one in role.permissions}


def wider_people(manager: SecurityManager) -> list[str]:
    """Active users who hold a role that is none of the six, or more than one of them."""
    ours = {str(role) for role in Role}
    return sorted(
        user.username
        for user in manager.get_all_users()
        if user.is_active and (len(user.roles) != 1 or {role.name for role in user.roles} - ours)
    )
