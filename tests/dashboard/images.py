"""Smaller PNG files."""

from __future__ import annotations

import collections
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUE_COLOR, _PALETTE = 2, 3
_CHANNELS = 3


def optimise(png: bytes) -> bytes:
    """Writes a picture of eight bits a channel with a palette of its 256 most frequent colours."""
    chunks = dict(_chunks(png))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, kind) == (8, _TRUE_COLOR), (depth, kind)
    rows = _unfilter(zlib.decompress(chunks[b"IDAT"]), width * _CHANNELS)
    pixels = [[row[i : i + _CHANNELS] for i in range(0, len(row), _CHANNELS)] for row in rows]
    frequent = [color for color, _ in collections.Counter(c for row in pixels for c in row).most_common(256)]
    index = {color: number for number, color in enumerate(frequent)}

    def nearest(color: bytes) -> int:
        if color not in index:
            distances = (sum((a - b) ** 2 for a, b in zip(color, other, strict=True)) for other in frequent)
            index[color] = min(enumerate(distances), key=lambda pair: pair[1])[0]
        return index[color]

    data = b"".join(b"\0" + bytes(nearest(color) for color in row) for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, _PALETTE, 0, 0, 0)
    parts = [(b"IHDR", header), (b"PLTE", b"".join(frequent)), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a file, those of the same name joined."""
    assert png.startswith(_SIGNATURE)
    found: dict[bytes, bytes] = collections.defaultdict(bytes)
    at = len(_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        found[png[at + 4 : at + 8]] += png[at + 8 : at + 8 + length]
        at += length + 12
    yield from found.items()


def _unfilter(data: bytes, stride: int) -> list[bytes]:
    """The rows of a picture, as section 9 of the PNG specification restores them."""
    rows: list[bytes] = []
    above = bytes(stride)
    for start in range(0, len(data), stride + 1):
        kind, row = data[start], bytearray(data[start + 1 : start + 1 + stride])
        for i in range(stride):
            left = row[i - _CHANNELS] if i >= _CHANNELS else 0
            corner = above[i - _CHANNELS] if i >= _CHANNELS else 0
            predictions = [0, left, above[i], (left + above[i]) // 2, _paeth(left, above[i], corner)]
            row[i] = (row[i] + predictions[kind]) % 256
        above = bytes(row)
        rows.append(above)
    return rows


def _paeth(left: int, up: int, corner: int) -> int:
    estimate = left + up - corner
    return min((left, up, corner), key=lambda value: abs(estimate - value))
