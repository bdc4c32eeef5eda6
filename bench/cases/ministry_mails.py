"""One drain of the outbox, full: as many mails as it takes at a time, written into the folder.

A relay's own time is not in it: that is the relay's. Orders: ``home``.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

from datetime import UTC, datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402

from ksc_ledger.alerts.compose import Sender  # noqa: E402
from ksc_ledger.alerts.deliver import Patience, deliver  # noqa: E402
from ksc_ledger.alerts.outlets import FolderOutlet  # noqa: E402
from ksc_ledger.alerts.roles import Contact, Directory  # noqa: E402
from ksc_ledger.state import open_state, outbox  # noqa: E402
from ksc_ledger.state.outbox import Channel, MailIdentity, NewMail  # noqa: E402

AT = datetime(2024, 1, 9, 2, 0, tzinfo=UTC)
FACTS = {
    "place": "Huyện đo thử",
    "started_at": (AT - timedelta(minutes=20)).isoformat(),
    "confirmed_at": AT.isoformat(),
    "cause": "link",
    "last_contact_at": None,
    "was_never_connected": False,
    "is_in_maintenance": False,
    "was_inhibited": False,
}


def main() -> None:
    home = Path(order()["home"])
    count = Patience().limit
    engine = open_state(f"sqlite:///{home / 'state.sqlite'}")
    mails = [
        NewMail(
            kind="lost",
            incident_id=f"{number:08d}",
            role="ops_team",
            estate_code="bt00",
            unit_code="bt00",
            server_code="bt00",
            created_at=AT,
            facts=FACTS,
        )
        for number in range(count)
    ]
    with engine.begin() as connection:
        outbox.enqueue(connection, mails, MailIdentity(domain="bo.example", is_rehearsal=True))
    directory = Directory(
        contacts=(Contact(role="ops_team", unit_code="bt00", name="Tổ", address="to@bo.example"),)
    )
    sender = Sender(address="ksc@bo.example", name="KSC", reply_to="truc@bo.example")
    (home / "mail").mkdir()
    meter.imports_done()
    with meter.step("mails"):
        done = deliver(
            engine,
            Channel.ALERTS,
            FolderOutlet(home / "mail"),
            directory,
            sender,
            owner="bench",
            now=AT,
        )
    written = len(list((home / "mail").rglob("*.eml")))
    meter.report(counts=dict(done.counts), written=written, wanted=count)


if __name__ == "__main__":
    main()
