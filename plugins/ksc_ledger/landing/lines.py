"""Rows that were landed by somebody else, read back line by line and within limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import zstandard

_CHUNK = 256 * 1024
LINE_BYTES_AT_MOST = 1024 * 1024


class NotLines(ValueError):  # noqa: N818 - it completes the sentence of its message
    """The file is not what a RowFile writes; the text is Vietnamese and has no content."""


def lines_of(packed: BinaryIO, *, bytes_at_most: int) -> Iterator[bytes]:
    """The lines of a zstd file of rows, without their ends. Raises NotLines.

    Unpacks no more than ``bytes_at_most`` and never holds more than a line and a piece, however
    small the file is that unpacks to so much.
    """
    rest = b""
    unpacked = 0
    window = zstandard.ZstdDecompressor(max_window_size=2**27)
    with window.stream_reader(packed, read_across_frames=True, closefd=False) as reader:
        while True:
            try:
                piece = reader.read(_CHUNK)
            except zstandard.ZstdError as error:
                raise NotLines("tệp nén bị hỏng") from error
            if not piece:
                break
            unpacked += len(piece)
            if unpacked > bytes_at_most:
                raise NotLines(f"tệp giải nén lớn hơn {bytes_at_most} byte")
            *whole, rest = (rest + piece).split(b"\n")
            if len(rest) > LINE_BYTES_AT_MOST:
                raise NotLines(f"một dòng dài hơn {LINE_BYTES_AT_MOST} byte")
            yield from whole
    if rest:
        raise NotLines("dòng cuối bị cắt ngang")
