"""What Airflow asks an installed distribution: the connection type ``ksc`` and its form."""

from __future__ import annotations

from typing import Any

import ksc_ledger


def get_provider_info() -> dict[str, Any]:
    """The provider's description, read by Airflow through the entry point in pyproject.toml."""
    text = {"type": ["string", "null"]}
    return {
        "package-name": "ksc-ledger",
        "name": "KSC Ledger",
        "description": "Kaspersky Security Center Open API, read-only.",
        "versions": [ksc_ledger.__version__],
        "connection-types": [
            {
                "connection-type": "ksc",
                "hook-class-name": "ksc_ledger.orchestration.hook.KscHook",
                "hook-name": "Kaspersky Security Center",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {
                        "host": "Địa chỉ máy chủ KSC",
                        "port": "Cổng Open API",
                        "login": "Tài khoản chỉ đọc",
                        "password": "Mật khẩu",
                    },
                    "placeholders": {"port": "13299", "host": "ksc.tinh.example"},
                },
                "conn-fields": {
                    "ca_file": {
                        "label": "Tệp chứng chỉ klserver.cer",
                        "description": "Đường dẫn trên máy chủ chạy Airflow; hoặc dùng vân tay.",
                        "schema": {**text, "default": None},
                    },
                    "certificate_sha256": {
                        "label": "Vân tay SHA-256 của chứng chỉ",
                        "description": "64 ký tự hex; có thể ghi hai vân tay, cách nhau dấu phẩy.",
                        "schema": {**text, "default": None},
                    },
                    "server_hostname": {
                        "label": "Tên ghi trong chứng chỉ (nếu khác địa chỉ)",
                        "schema": {**text, "default": None},
                    },
                    "internal_user": {
                        "label": "Tài khoản nội bộ của KSC",
                        "schema": {"type": "boolean", "default": True},
                    },
                    "domain": {
                        "label": "Miền Windows (nếu không phải tài khoản nội bộ)",
                        "schema": {**text, "default": None},
                    },
                },
            }
        ],
    }
