"""Our figures through Airflow's own OpenTelemetry, as a collector hears them."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

# As a task's process does it: initialised at its start, flushed at its end.
TASK = """
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from ksc_ledger import settings
from ksc_ledger.orchestration.metrics import Figure, emit

stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=False)
ages = [
    Figure(name="source_age_seconds", value=60, tags={"estate_code": "dt", "server_code": "dtp"}),
    Figure(name="source_age_seconds", value=7200, tags={"estate_code": "dt", "server_code": "dtp_872"}),
    Figure(name="published_age_seconds", value=9),
]
print(emit(settings.load(), lambda: ages))
"""


class Collector:
    """An OTLP collector over HTTP; ``gauges`` is what it heard, by name and tags."""

    def __init__(self) -> None:
        self.gauges: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        take = self._take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                take(body)
                answer = ExportMetricsServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nothing: the test looks at ``gauges``."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Collector:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _take(self, body: bytes) -> None:
        heard: Any = ExportMetricsServiceRequest.FromString(body)
        for resource in heard.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.gauge.data_points:
                        tags = sorted((one.key, one.value.string_value) for one in point.attributes)
                        value = point.as_double or float(point.as_int)
                        self.gauges[metric.name, tuple(tags)] = value


def environment(collector: Collector, home: Path) -> dict[str, str]:
    """Airflow's own switches, and ours."""
    return {
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__METRICS__OTEL_ON": "True",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "KSC_LEDGER_HOME": str(home),
        "KSC_LEDGER_METRICS": "tags",
    }


@pytest.mark.long
def test_a_collector_hears_every_figure_under_its_tags(tmp_path: Path) -> None:
    with Collector() as collector:
        done = subprocess.run(
            [sys.executable, "-c", TASK],
            env={**os.environ, **environment(collector, tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["3"]), done.stderr
    ours = {key: value for key, value in collector.gauges.items() if "ksc_ledger" in key[0]}
    age = "airflow.ksc_ledger.source_age_seconds"
    assert ours == {
        (age, (("estate_code", "dt"), ("server_code", "dtp"))): 60,
        (age, (("estate_code", "dt"), ("server_code", "dtp_872"))): 7200,
        ("airflow.ksc_ledger.published_age_seconds", ()): 9,
    }
