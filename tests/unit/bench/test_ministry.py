"""The invented ministry: nobody is lost between its servers, and its registry is a good one."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from bench import ministry, rows
from bench.groups.ministry import FULL, SMALL
from bench.machine import tree
from bench.memory_watch import MemoryWatch
from bench.ministry import BLOCKS, Ministry
from bench.ministry_standin import Clock, Part
from bench.standin import Day

from ksc_ledger.registry import load
from ksc_ledger.rehearsal.home import gather_registry

SIZE = Ministry(provinces=2, servers=5, hosts=603)


@pytest.mark.parametrize("size", [SIZE, SMALL, FULL])
def test_servers_share_all_hosts_and_none_has_another_ones(size: Ministry) -> None:
    borders = [size.first_host(server) for server in range(size.servers + 1)]
    assert (borders[0], borders[-1]) == (0, size.hosts)
    parts = [end - begin for begin, end in itertools.pairwise(borders)]
    assert max(parts) - min(parts) <= 1
    assert len(set(size.codes)) == size.servers


def test_the_registry_is_without_mistakes_and_has_a_unit_for_every_group(tmp_path: Path) -> None:
    registry = load(gather_registry(ministry.write(tmp_path / "s", SIZE), tmp_path / "registry"))
    assert len(registry.estates) == SIZE.provinces
    assert len(registry.servers) == SIZE.servers
    assert len(registry.units) == SIZE.units_count
    assert len(registry.server_groups) == SIZE.servers * BLOCKS
    prefixes = Counter(unit.name_prefix for unit in registry.units if unit.name_prefix)
    assert len(prefixes) == SIZE.servers * BLOCKS
    told = {group.group_path for group in registry.server_groups}
    paths = {rows.group_name(group).split("/")[1] for group in range(BLOCKS * 5)}
    assert told == paths


def test_most_machines_have_the_name_that_their_unit_wants() -> None:
    count = 3000
    size = Ministry(1, 10, count)
    right = wrong = 0
    for server in range(size.servers):
        for number in range(size.first_host(server), size.first_host(server + 1)):
            facts = ministry.host(size, server, number, 0)
            prefix = ministry.prefix_of(server, ministry.unit_of(number))
            right += facts["KLHST_WKS_DN"].startswith(f"{prefix}-")
            wrong += facts["KLHST_WKS_DN"].startswith("DESKTOP-")
            assert len(facts["KLHST_WKS_WINHOSTNAME"]) <= 15
    assert right + wrong == count
    assert 0.02 < wrong / count < 0.06


def test_every_part_of_a_day_serves_its_own_hosts_by_its_own_clock(tmp_path: Path) -> None:
    ministry.make_hosts(tmp_path, SIZE, 0)
    whole = Day(tmp_path / "day0.items", tmp_path / "day0.offsets", tmp_path / "groups.json")
    clock = Clock()
    clock.set(ministry.observed_at(1), is_driven=True)
    parts = [
        Part(whole, SIZE.first_host(server), SIZE.first_host(server + 1), clock)
        for server in range(SIZE.servers)
    ]
    assert sum(part.count for part in parts) == whole.count == SIZE.hosts
    asked = {"strAccessor": "hosts", "nStart": 0, "nCount": 1000}
    bodies = [
        b"".join(bytes(piece) for piece in part.answer("ChunkAccessor.GetItemsChunk", asked))
        for part in parts
    ]
    ids = [body.count(b"KLHST_WKS_HOSTNAME") for body in bodies]
    assert ids == [part.count for part in parts]
    assert ministry.prefix_of(3, 0).encode() in bodies[3]
    assert ministry.prefix_of(3, 0).encode() not in bodies[2]
    assert parts[0].now() == ministry.observed_at(1)


def test_a_clock_that_is_not_driven_runs_on() -> None:
    clock = Clock()
    clock.set(ministry.observed_at(0), is_driven=False)
    assert timedelta() <= clock.now() - ministry.observed_at(0) < timedelta(minutes=1)


def test_memory_is_that_of_a_process_and_of_its_children() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert {os.getpid(), child.pid} <= set(tree([os.getpid()]))
        watch = MemoryWatch(lambda: [os.getpid()])
        watch.look()
        child.communicate(b"\n")
    assert watch.peak_mb > 10
    assert len(watch.at_peak) >= 2
    assert watch.at_peak[0][1] == max(mb for _, mb in watch.at_peak)
