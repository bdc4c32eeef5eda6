"""The arguments of a call, taken by their exact names and types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ksc_ledger.simulator.pxg import bad_argument

_MISSING: Final = object()


class Arguments:
    """``names`` are the arguments the method knows; a name it does not know is refused.

    Where known clients spell one argument differently, ``first|second`` accepts both.
    """

    def __init__(self, given: Mapping[str, Any], names: str) -> None:
        self._given: dict[str, Any] = {}
        spelling = {
            one: names_of_one.split("|")[0]
            for names_of_one in names.split()
            for one in names_of_one.split("|")
        }
        for name, value in given.items():
            if name not in spelling:
                raise bad_argument(f"Unknown argument '{name}'", name)
            self._given[spelling[name]] = value

    def text(self, name: str, *, is_optional: bool = False) -> str:
        value = self._value(name, is_optional)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise bad_argument(f"'{name}' must be a string", name)
        return value

    def integer(self, name: str, default: int | None = None) -> int:
        value = self._value(name, default is not None)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            raise bad_argument(f"'{name}' must be an int", name)
        if not -(2**31) <= value < 2**31:
            raise bad_argument(f"'{name}' is no 32-bit int", name)
        return value

    def names(self, name: str, *, is_optional: bool = False) -> tuple[str, ...]:
        """An array of strings."""
        value = self._value(name, is_optional)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise bad_argument(f"'{name}' must be an array of strings", name)
        return tuple(value)

    def params(self, name: str) -> Mapping[str, Any]:
        """A params container, unwrapped; {} when it was left out. One client wraps it: accepted."""
        value = self._value(name, True)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise bad_argument(f"'{name}' must be a params container", name)
        if value.keys() == {"type", "value"} and value["type"] == "params":
            value = value["value"]
        return {key: unwrap(member, name) for key, member in value.items()}

    def list_of_params(self, name: str, *, is_optional: bool = True) -> list[Mapping[str, Any]]:
        """An array of containers; inside an array a container is always wrapped."""
        value = self._value(name, is_optional)
        if value is None:
            return []
        if not isinstance(value, list):
            raise bad_argument(f"'{name}' must be an array", name)
        found: list[Mapping[str, Any]] = []
        for element in value:
            if (
                not isinstance(element, dict)
                or element.keys() != {"type", "value"}
                or element["type"] != "params"
            ):
                raise bad_argument(f"an element of '{name}' is not wrapped as params", name)
            found.append({key: unwrap(one, name) for key, one in element["value"].items()})
        return found

    def order(self, name: str) -> tuple[tuple[str, bool], ...]:
        """Sort keys: attribute and whether ascending.

        A known client sends one key where an array of keys belongs, and one with blanks for type and
        name when it has none.
        """
        value = self._value(name, True)
        if isinstance(value, dict):
            key = value.get("value")
            if isinstance(key, dict) and key.get("Name") == "":
                return ()
            self._given[name] = [value]
        keys = []
        for element in self.list_of_params(name):
            attribute, is_ascending = element.get("Name"), element.get("Asc", True)
            if not isinstance(attribute, str) or not isinstance(is_ascending, bool):
                raise bad_argument(f"'{name}' needs Name and Asc", name)
            keys.append((attribute, is_ascending))
        return tuple(keys)

    def _value(self, name: str, is_optional: bool) -> Any:
        value = self._given.get(name, _MISSING)
        if value is _MISSING or value is None:
            if not is_optional:
                raise bad_argument(f"Argument '{name}' is missing", name)
            return None
        return value


def unwrap(member: Any, name: str) -> Any:
    """A member of a container without its type; a bare null or float is refused."""
    if isinstance(member, dict):
        if member.keys() != {"type", "value"}:
            raise bad_argument(f"a container inside '{name}' is not wrapped", name)
        value = member["value"]
        if member["type"] == "params" and isinstance(value, dict):
            return {key: unwrap(one, name) for key, one in value.items()}
        return value
    if isinstance(member, list):
        return [None if one is None else unwrap(one, name) for one in member]
    if member is None or isinstance(member, float):
        raise bad_argument(f"'{name}' holds a value that params cannot hold", name)
    return member
