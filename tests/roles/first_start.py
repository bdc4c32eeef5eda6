"""In production's environment: apply the roles twice, add people, say what came of it.

usage: first_start.py '{"user_name": "role", …}'
"""

from __future__ import annotations

import json
import secrets
import sys

from ksc_ledger.deployment import roles


def main() -> None:
    people: dict[str, str] = json.loads(sys.argv[1])
    with roles.security_manager() as manager:
        first = roles.apply(manager)
        again = roles.apply(manager)
        # By hand, as somebody in a hurry would: it must be gone after the next start.
        wide = manager.create_permission("can_delete", "DAGs")
        manager.add_permission_to_role(manager.find_role("ops"), wide)
        mended = roles.apply(manager)
        passwords = {name: secrets.token_urlsafe(15) for name in people}
        for name, role in people.items():
            mail, held = f"{name}@tinh.example", manager.find_role(role)
            manager.add_user(name, name, role, mail, held, passwords[name])
        wider = roles.wider_people(manager)
    said = {
        "first": [first.given, first.taken],
        "again": [again.given, again.taken],
        "mended": [mended.given, mended.taken],
        "passwords": passwords,
        "wider": wider,
    }
    sys.stdout.write(f"{json.dumps(said)}\n")


if __name__ == "__main__":
    main()
