"""Whether a zip archive may be opened at all. Nothing is unpacked to the disk, ever."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib

from ksc_ledger.intake.limits import Limits
from ksc_ledger.intake.reasons import Reason, Refused

_NAME_LENGTH = 240
_ENCRYPTED_FLAG = 0x1
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
# Absolute, a drive, a step upward, a backslash, or what cannot be printed.
_BAD_NAME = re.compile(r"^/|^[A-Za-z]:|(^|/)\.\.(/|$)|\\|[\x00-\x1f\x7f]")

# What zipfile raises on a broken archive, by its source: it names BadZipFile only.
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)


def opened(data: bytes, limits: Limits) -> zipfile.ZipFile:
    """The archive, once its directory was found harmless; raise Refused.

    The directory's sizes are believed because reading stops there: a member that holds more than
    it declared fails its checksum.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except BROKEN as error:
        raise Refused(Reason.ARCHIVE_BROKEN, what=type(error).__name__) from error
    members = archive.infolist()
    if len(members) > limits.archive_members:
        raise Refused(Reason.ARCHIVE_MEMBERS, limit=limits.archive_members)
    names: set[str] = set()
    for member in members:
        name = member.filename
        # orig_filename still has what ZipFile cuts off at a NUL.
        if len(name) > _NAME_LENGTH or _BAD_NAME.search(member.orig_filename) or name in names:
            raise Refused(Reason.ARCHIVE_NAME, what=name[:_NAME_LENGTH])
        names.add(name)
        if stat.S_ISLNK(member.external_attr >> 16):
            raise Refused(Reason.ARCHIVE_SYMLINK, what=name)
        if member.flag_bits & _ENCRYPTED_FLAG:
            raise Refused(Reason.ENCRYPTED)
        if member.compress_type not in _METHODS:
            raise Refused(Reason.ARCHIVE_BROKEN, what=f"nén kiểu {member.compress_type}")
    unpacked = sum(member.file_size for member in members)
    if unpacked > limits.archive_bytes:
        raise Refused(Reason.ARCHIVE_TOO_BIG, limit=limits.archive_bytes // 2**20)
    if unpacked > limits.ratio_free_bytes and unpacked > limits.archive_ratio * len(data):
        raise Refused(Reason.ARCHIVE_RATIO, limit=limits.archive_ratio)
    return archive
