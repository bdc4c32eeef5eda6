"""The data, the stand-in that serves them, and the sums by which a landing is judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from bench import fast_decode, rows
from bench.digest import digest
from bench.groups.ingest import DLT, NAIVE, OURS, disagreement
from bench.process import standin
from bench.rows import ATTRIBUTES, INSTANTS, SLOW, VOLATILE, Made
from bench.standin import Day, Listening
from bench.wire_client import bodies, over_urllib3

from ksc_ledger.sources.records import HOST_ATTRIBUTES

COUNT = 300


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Made]:
    folder = tmp_path_factory.mktemp("hosts")
    return [rows.make(folder, COUNT, day) for day in (0, 1)]


@pytest.fixture(scope="module")
def server(made: list[Made]) -> Iterator[Listening]:
    with standin(made[0].items.parent) as listening:
        yield listening


def fetched(server: Listening, day: int, chunk_size: int = 100) -> list[bytes]:
    return list(bodies(over_urllib3(server.ports[day], server.ca_file), chunk_size))


def test_a_host_has_thirty_one_attributes_and_all_that_the_product_asks_for() -> None:
    assert len(ATTRIBUTES) == len(set(ATTRIBUTES)) == 31
    assert set(HOST_ATTRIBUTES) <= set(ATTRIBUTES)


def test_the_same_count_gives_the_same_bytes(tmp_path: Path, made: list[Made]) -> None:
    again = rows.make(tmp_path, COUNT, 1)
    assert again.items.read_bytes() == made[1].items.read_bytes()
    assert again.truth == made[1].truth


def test_on_the_second_day_exactly_the_changed_hosts_differ_in_a_slow_attribute() -> None:
    count = 2000
    differing = [
        number
        for number in range(count)
        if any(
            rows.host(number, count, 0)[name] != rows.host(number, count, 1)[name] for name in SLOW
        )
    ]
    assert differing == [number for number in range(count) if rows.is_changed(number)]
    assert 0.01 < len(differing) / count < 0.03
    assert len(differing) == rows.changed_count(count)


def test_nearly_every_host_differs_in_a_volatile_attribute() -> None:
    moved = sum(
        any(rows.host(n, COUNT, 0)[name] != rows.host(n, COUNT, 1)[name] for name in VOLATILE)
        for n in range(COUNT)
    )
    assert moved > COUNT * 0.9


def test_ids_are_unique_and_in_the_order_in_which_the_server_is_asked_for_them() -> None:
    ids = [rows.host(number, COUNT, 0)["KLHST_WKS_HOSTNAME"] for number in range(COUNT)]
    assert ids == sorted(set(ids))
    assert all(len(one) == 36 for one in ids)


@pytest.mark.parametrize("chunk_size", [1, 7, COUNT - 1, COUNT, COUNT + 1])
def test_any_chunk_size_gives_every_item_once(made: list[Made], chunk_size: int) -> None:
    day = Day(made[0].items, made[0].offsets, made[0].groups)
    seen = []
    for start in range(0, COUNT, chunk_size):
        pieces = day.answer(
            "ChunkAccessor.GetItemsChunk",
            {"strAccessor": "hosts", "nStart": start, "nCount": chunk_size},
        )
        answer = json.loads(b"".join(bytes(piece) for piece in pieces))
        items = answer["pChunk"]["KLCSP_ITERATOR_ARRAY"]
        assert answer["PxgRetVal"] == len(items) == min(chunk_size, COUNT - start)
        seen += [item["value"]["KLHST_WKS_HOSTNAME"] for item in items]
    assert len(seen) == len(set(seen)) == COUNT


def test_a_chunk_beyond_the_end_is_empty(made: list[Made]) -> None:
    day = Day(made[0].items, made[0].offsets, made[0].groups)
    arguments = {"strAccessor": "hosts", "nStart": COUNT, "nCount": 10}
    pieces = day.answer("ChunkAccessor.GetItemsChunk", arguments)
    answer = json.loads(b"".join(bytes(piece) for piece in pieces))
    assert answer == {"PxgRetVal": 0, "pChunk": {"KLCSP_ITERATOR_ARRAY": []}}


def test_over_tls_each_day_has_its_port_and_its_truth(server: Listening, made: list[Made]) -> None:
    for day in (0, 1):
        hosts = [host for body in fetched(server, day) for host in fast_decode.decode(body)]
        con = duckdb.connect()
        con.register("given", fast_decode.to_arrow(hosts))
        assert digest(con, "given", {}) == made[day].truth


def landed_of(made: list[Made]) -> list[dict[str, object]]:
    return [
        {**made[0].truth, "current": COUNT, "closed": 0},
        {**made[1].truth, "current": COUNT, "closed": rows.changed_count(COUNT)},
    ]


def test_a_landing_equal_to_what_was_served_is_agreed_with(made: list[Made]) -> None:
    truth = [one.truth for one in made]
    assert disagreement(OURS, {"landed": landed_of(made)}, truth, COUNT) is None


def test_one_lost_row_is_a_disagreement_that_names_it(made: list[Made]) -> None:
    truth = [one.truth for one in made]
    landed = landed_of(made)
    landed[1]["slow"] = {**made[1].truth["slow"], "rows": COUNT - 1}
    said = disagreement(NAIVE, {"landed": landed}, truth, COUNT)
    assert said is not None
    assert f"rows is {COUNT - 1} instead of {COUNT}" in said


def test_stale_instants_are_forgiven_to_those_who_say_so_and_to_nobody_else(
    made: list[Made],
) -> None:
    truth = [one.truth for one in made]
    landed = landed_of(made)
    landed[1]["volatile"] = made[0].truth["volatile"]
    assert disagreement(DLT["parquet"], {"landed": landed}, truth, COUNT) is None
    assert disagreement(OURS, {"landed": landed}, truth, COUNT) is not None
    landed = landed_of(made)
    landed[0]["volatile"] = dict.fromkeys(made[0].truth["volatile"], 0)
    assert disagreement(DLT["parquet"], {"landed": landed}, truth, COUNT) is not None


def test_a_history_that_closed_one_row_too_few_is_a_disagreement(made: list[Made]) -> None:
    truth = [one.truth for one in made]
    landed = landed_of(made)
    landed[1]["closed"] = rows.changed_count(COUNT) - 1
    said = disagreement(OURS, {"landed": landed}, truth, COUNT)
    assert said is not None
    assert "closed" in said


def test_absent_attributes_are_null_and_instants_are_instants(server: Listening) -> None:
    hosts = [host for body in fetched(server, 0) for host in fast_decode.decode(body)]
    table = fast_decode.to_arrow(hosts)
    assert table.schema == fast_decode.SCHEMA
    assert table.column("KLHST_WKS_LAST_FULLSCAN").null_count > 0
    first = rows.host(0, COUNT, 0)
    assert {name: table.column(name)[0].as_py() for name in INSTANTS} == {
        name: first[name] for name in INSTANTS
    }
