"""The key pair of one site. The private half is a file there; the public half is in the registry."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ksc_ledger.errors import LedgerError

SIGNATURE_BYTES = 64


def make(file: Path) -> str:
    """Make a private key that only its owner can read; its public half as the registry wants it.

    An existing file is never replaced: LedgerError.
    """
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise LedgerError(
            "push_key_not_made",
            f"Không tạo được tệp khóa {file} ({error.strerror}).",
            "Chọn tệp chưa có trong một thư mục ghi được. Khóa đang dùng không bao giờ bị ghi đè.",
        ) from error
    with os.fdopen(descriptor, "wb") as written:
        written.write(pem)
    return public_text(key)


def load(file: Path) -> Ed25519PrivateKey:
    """The private key of a file that nobody else can read; anything else is LedgerError."""
    try:
        mode = file.stat().st_mode
        raw = file.read_bytes()
    except OSError as error:
        raise LedgerError(
            "push_key_unreadable",
            f"Không đọc được tệp khóa {file} ({error.strerror}).",
            "Tạo khóa bằng ksc-ledger push key --into TỆP, và chạy bằng chính tài khoản đã tạo.",
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise LedgerError(
            "push_key_open_to_others",
            f"Tài khoản khác trên máy này đọc được tệp khóa {file}.",
            f"Chạy chmod 600 {file}; nếu có thể đã bị đọc thì tạo khóa mới và báo trung tâm đổi khóa.",
        )
    try:
        key = serialization.load_pem_private_key(raw, password=None)
    except (ValueError, TypeError) as error:
        raise _not_a_key(file) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key(file)
    return key


def public_text(key: Ed25519PrivateKey) -> str:
    """The public half: 32 bytes in base64."""
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def is_signed_by(public_key: str, signature: bytes, content: bytes) -> bool:
    """Whether the owner of a public key (as in the registry) signed exactly this content."""
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key)).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _not_a_key(file: Path) -> LedgerError:
    return LedgerError(
        "push_key_wrong",
        f"Tệp {file} không phải là khóa riêng do ksc-ledger push key tạo.",
        "Chỉ đúng tệp khóa, hoặc tạo khóa mới và báo trung tâm khóa công khai mới.",
    )
