"""What befalls a file: bits flip, blocks go missing, headers lie. Every function is bytes and dice in, bytes out."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

Damage = Callable[[bytes, Random], bytes]

_PACKET = 188


def flip_bits(data: bytes, dice: Random) -> bytes:
    """Turns over 1 to 40 bits."""
    damaged = bytearray(data)
    for _ in range(_few(dice, 40)):
        damaged[_place(data, dice)] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def flip_early_bits(data: bytes, dice: Random) -> bytes:
    """Turns over 1 to 8 bits of the first 200 bytes, where headers are."""
    damaged = bytearray(data)
    for _ in range(_few(dice, 8)):
        damaged[dice.randrange(min(len(data), 200))] ^= 1 << dice.randrange(8)
    return bytes(damaged)


def burst(data: bytes, dice: Random) -> bytes:
    """Writes noise over a block."""
    begin, end = _block(data, dice)
    return data[:begin] + dice.randbytes(end - begin) + data[end:]


def zero(data: bytes, dice: Random) -> bytes:
    """Writes zeros over a block."""
    begin, end = _block(data, dice)
    return data[:begin] + bytes(end - begin) + data[end:]


def truncate(data: bytes, dice: Random) -> bytes:
    """Cuts off the end: anywhere, or all but the first few bytes."""
    return data[: dice.choice((dice.randrange(len(data)), dice.randrange(len(data)), dice.randrange(64), 0))]


def behead(data: bytes, dice: Random) -> bytes:
    """Cuts off the beginning."""
    return data[_place(data, dice) :]


def remove(data: bytes, dice: Random) -> bytes:
    """Takes a block out."""
    begin, end = _block(data, dice)
    return data[:begin] + data[end:]


def insert(data: bytes, dice: Random) -> bytes:
    """Puts noise or zeros in."""
    at, size = _place(data, dice), _few(dice, 2000)
    return data[:at] + dice.choice((dice.randbytes(size), bytes(size))) + data[at:]


def duplicate(data: bytes, dice: Random) -> bytes:
    """Has a block twice, one behind the other."""
    begin, end = _block(data, dice)
    return data[:end] + data[begin:]


def swap(data: bytes, dice: Random) -> bytes:
    """Exchanges two blocks."""
    (a, b), (c, d) = sorted((_block(data, dice), _block(data, dice)))
    return data if b > c else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def repeat(data: bytes, dice: Random) -> bytes:
    """Has the whole file two or three times, one behind the other."""
    return data * dice.choice((2, 2, 3))


def overwrite_number(data: bytes, dice: Random) -> bytes:
    """Writes an extreme whole number somewhere."""
    layout = dice.choice(("B", "<H", ">H", "<I", ">I", "<Q", ">Q"))
    return _write(data, _place(data, dice), layout, dice)


def shuffle_packets(data: bytes, dice: Random) -> bytes:
    """Drops, repeats or exchanges packets of 188 bytes, as a bad antenna or a bad network does."""
    packets = [data[at : at + _PACKET] for at in range(0, len(data), _PACKET)]
    for _ in range(_few(dice, 6)):
        here, there = dice.randrange(len(packets)), dice.randrange(len(packets))
        change = dice.randrange(3)
        if change == 0 and len(packets) > 1:
            del packets[here]
            continue
        if change == 1:
            packets.insert(here, packets[there])
        packets[here], packets[there] = packets[there], packets[here]
    return b"".join(packets)


ANYWHERE: Mapping[str, Damage] = {
    "flipped bits": flip_bits,
    "flipped bits in the head": flip_early_bits,
    "noise over a block": burst,
    "zeros over a block": zero,
    "cut off": truncate,
    "beheaded": behead,
    "a block removed": remove,
    "something put in": insert,
    "a block twice": duplicate,
    "blocks exchanged": swap,
    "the file repeated": repeat,
    "an extreme number": overwrite_number,
}


# Headers that lie -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """A number in a header: so many bytes behind the beginning of `anchor`, laid out as `struct` writes it."""

    anchor: bytes
    offset: int
    layout: str


def _box(name: str, *fields: tuple[int, str]) -> tuple[Field, ...]:
    """Returns fields of an MP4 box, by their offset from its name."""
    return tuple(Field(name.encode(), offset, layout) for offset, layout in fields)


def _tags(*numbers: int) -> tuple[Field, ...]:
    """Returns the fields of TIFF tags of 16 or 32 bits: their count and their value."""
    heads = (struct.pack("<HH", number, kind) for number in numbers for kind in (3, 4))
    return tuple(Field(head, offset, "<I") for head in heads for offset in (4, 8))


_MP4 = (
    *_box("ftyp", (-4, ">I"), (4, ">I")),
    *_box("moov", (-4, ">I")),
    *_box("trak", (-4, ">I")),
    *_box("mdat", (-4, ">I")),
    *_box("mvhd", (16, ">I"), (20, ">I"), (24, ">I")),
    *_box("tkhd", (16, ">I"), (24, ">I"), (44, ">I"), (48, ">I"), (56, ">I"), (60, ">I"), (80, ">I"), (84, ">I")),
    *_box("mdhd", (16, ">I"), (20, ">I")),
    *_box("elst", (8, ">I"), (12, ">I"), (16, ">I"), (20, ">I")),
    *_box("stsd", (-4, ">I"), (8, ">I"), (12, ">I")),
    *_box("avc1", (28, ">H"), (30, ">H")),
    *_box("mp4v", (28, ">H"), (30, ">H")),
    *_box("jpeg", (28, ">H"), (30, ">H")),
    *_box("pasp", (4, ">I"), (8, ">I")),
    *_box("mp4a", (20, ">H"), (22, ">H"), (28, ">I")),
    *_box("sowt", (20, ">H"), (22, ">H"), (28, ">I")),
    *_box("stts", (8, ">I"), (12, ">I"), (16, ">I")),
    *_box("ctts", (8, ">I"), (12, ">I"), (16, ">I")),
    *_box("stss", (8, ">I"), (12, ">I")),
    *_box("stsz", (8, ">I"), (12, ">I"), (16, ">I"), (20, ">I")),
    *_box("stsc", (8, ">I"), (16, ">I"), (20, ">I")),
    *_box("stco", (8, ">I"), (12, ">I"), (16, ">I")),
    *_box("trun", (8, ">I"), (12, ">I"), (16, ">I")),
    *_box("tfdt", (8, ">I"), (12, ">I")),
    *_box("tfhd", (8, ">I"), (12, ">I"), (16, ">I")),
)
_AVI = (
    *(Field(b"avih", offset, "<I") for offset in (8, 12, 24, 32, 36, 40, 44)),
    *(Field(b"strh", offset, "<I") for offset in (28, 32, 36, 40, 48, 52)),
    *(Field(b"strf", offset, "<I") for offset in (4, 8, 12, 16, 20, 28)),
    *(Field(b"idx1", offset, "<I") for offset in (4, 16, 20)),
    *(Field(b"LIST", offset, "<I") for offset in (4,)),
)
_FLV = (
    *(Field(struct.pack(">H", len(name)) + name, len(name) + 3, ">d") for name in
      (b"width", b"height", b"framerate", b"duration", b"filesize", b"audiosamplerate")),
    *(Field(b"FLV", offset, layout) for offset, layout in ((3, "B"), (4, "B"), (5, ">I"), (13, "B"), (14, ">I"))),
)  # fmt: skip
_TS = (
    *(Field(b"\x00\x00\x01\xe0", offset, ">I") for offset in (4, 9, 10, 14, 15)),
    *(Field(b"\x00\x00\x01\xc0", offset, ">I") for offset in (4, 9, 10)),
    Field(b"\x00\x00\x01\xb3", 4, ">I"),
)
_GIF = (
    *(Field(b"GIF8", offset, "<H") for offset in (6, 8)),
    *(Field(b"\x21\xf9\x04", offset, layout) for offset, layout in ((3, "B"), (4, "<H"), (8, "<H"), (10, "<H"),
                                                                       (12, "<H"), (14, "<H"))),
    Field(b"NETSCAPE2.0", 13, "<H"),
)  # fmt: skip
_PNG = (
    *(Field(b"IHDR", offset, layout) for offset, layout in ((-4, ">I"), (4, ">I"), (8, ">I"), (12, "B"), (13, "B"))),
    *(Field(name, -4, ">I") for name in (b"IDAT", b"PLTE", b"eXIf", b"fdAT")),
    *(Field(b"pHYs", offset, ">I") for offset in (4, 8)),
    *(Field(b"acTL", offset, ">I") for offset in (4, 8)),
    *(Field(b"fcTL", offset, ">I") for offset in (4, 8, 12, 16, 20, 24)),
)
_JPG = (
    *(Field(head, offset, ">H") for head in (b"\xff\xc0", b"\xff\xc2") for offset in (2, 5, 7)),
    *(Field(head, 9, "B") for head in (b"\xff\xc0", b"\xff\xc2")),
    *(Field(head, 2, ">H") for head in (b"\xff\xe0", b"\xff\xe1", b"\xff\xdb", b"\xff\xc4", b"\xff\xda")),
    *(Field(b"Exif\x00\x00", offset, ">I") for offset in (10, 14, 18, 22, 26, 30, 34, 38, 42, 46)),
    *(Field(b"JFIF", offset, ">H") for offset in (8, 10)),
)
_WEBP = (
    Field(b"RIFF", 4, "<I"),
    *(Field(b"VP8 ", offset, "<H") for offset in (14, 16)),
    *(Field(b"VP8L", offset, "<I") for offset in (4, 9)),
    *(Field(b"VP8X", offset, "<I") for offset in (4, 8, 11, 12, 14)),
    *(Field(b"ANMF", offset, "<I") for offset in (4, 8, 11, 14, 17, 20)),
    *(Field(b"ANIM", offset, "<I") for offset in (4, 10)),
)
_ASF = (
    *(Field(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"), offset, "<Q") for offset in (40, 56, 64, 72, 80)),
    *(Field(bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365"), offset, "<I") for offset in (64, 78, 82, 89, 93)),
)

LIES: Mapping[str, Sequence[Field]] = {
    **dict.fromkeys((".mp4", ".mov", ".3gp"), _MP4),
    ".avi": _AVI,
    ".flv": _FLV,
    **dict.fromkeys((".ts", ".mpg"), _TS),
    ".gif": _GIF,
    ".wmv": _ASF,
    ".ogv": tuple(Field(b"OggS", offset, layout) for offset, layout in ((6, "<Q"), (14, "<I"), (18, "<I"), (26, "B"))),
    ".png": _PNG,
    ".jpg": _JPG,
    ".webp": _WEBP,
    ".tif": _tags(256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 284, 296, 317),
    ".bmp": tuple(
        Field(b"BM", offset, layout)
        for offset, layout in ((2, "<I"), (10, "<I"), (14, "<I"), (18, "<i"), (22, "<i"), (28, "<H"), (30, "<I"),
                               (38, "<I"), (46, "<I"))
    ),
    ".tga": tuple(Field(b"", offset, layout) for offset, layout in ((0, "B"), (1, "B"), (2, "B"), (3, "<H"), (5, "<H"),
                                                                    (12, "<H"), (14, "<H"), (16, "B"))),
    ".jp2": (
        *(Field(b"ihdr", offset, ">I") for offset in (4, 8)),
        *(Field(b"\xff\x51", offset, ">I") for offset in (6, 10, 14, 18, 22, 26)),
    ),
    ".avif": tuple(Field(b"ispe", offset, ">I") for offset in (8, 12)),
}  # fmt: skip

# Where width and height stand, as fields: what says that it is huge makes readers ask for much memory.
_SIZES: Mapping[str, Sequence[tuple[Field, Field]]] = {
    ".png": [(Field(b"IHDR", 4, ">I"), Field(b"IHDR", 8, ">I"))],
    ".jpg": [(Field(head, 7, ">H"), Field(head, 5, ">H")) for head in (b"\xff\xc0", b"\xff\xc2")],
    ".gif": [(Field(b"GIF8", 6, "<H"), Field(b"GIF8", 8, "<H"))],
    ".bmp": [(Field(b"BM", 18, "<I"), Field(b"BM", 22, "<I"))],
    ".webp": [
        (Field(b"VP8X", 12, "<H"), Field(b"VP8X", 15, "<H")),
        (Field(b"VP8 ", 14, "<H"), Field(b"VP8 ", 16, "<H")),
    ],
    ".tga": [(Field(b"", 12, "<H"), Field(b"", 14, "<H"))],
    ".tif": [
        (Field(struct.pack("<HH", 256, kind), 8, "<I"), Field(struct.pack("<HH", 257, kind), 8, "<I"))
        for kind in (3, 4)
    ],
    ".jp2": [(Field(b"\xff\x51", 6, ">I"), Field(b"\xff\x51", 10, ">I"))],
    ".avif": [(Field(b"ispe", 8, ">I"), Field(b"ispe", 12, ">I"))],
    ".avi": [(Field(b"strf", 12, "<I"), Field(b"strf", 16, "<I"))],
}
_HUGE = (5_000, 16_383, 20_000, 30_000, 65_535, 100_000, 2**20)

# Matroska's elements: size and shape of the picture, times, rates, numbers of tracks, sizes of what holds others.
_ELEMENTS = tuple(
    bytes.fromhex(identity)
    for identity in (
        *("b0", "ba", "54b0", "54ba", "54aa", "4489", "2ad7b1", "23e383", "e7", "d7", "83", "9f", "b5", "56aa"),
        *("56bb", "53c0", "9a", "1549a966", "1654ae6b", "1f43b675", "18538067", "a3", "ae", "55b0"),
    )
)


def lie(data: bytes, dice: Random, suffix: str) -> bytes:
    """Writes an extreme number into a field of the header that says a size, a rate, a duration or a length.

    Returns the data as they are when there is no such field.
    """
    if suffix in {".mkv", ".webm"}:
        return _lie_of_matroska(data, dice)
    if suffix in {".y4m", ".ppm"}:
        return _lie_in_words(data, dice)
    there = [field for field in LIES.get(suffix, ()) if field.anchor in data]
    if not there:
        return data
    for field in dice.sample(there, min(len(there), dice.choice((1, 1, 1, 2, 3)))):
        places = [match.start() for match in re.finditer(re.escape(field.anchor), data)] if field.anchor else [0]
        if places:  # the number before may have been written over it
            data = _write(data, dice.choice(places[:50]) + field.offset, field.layout, dice)
    # whoever makes such a file on purpose has its checksums right
    return mend_png(data) if suffix == ".png" and dice.random() < 0.8 else data


def make_huge(data: bytes, dice: Random, suffix: str) -> bytes:
    """Has the header say that the picture is huge; the data as they are when it does not say a size."""
    for pair in _SIZES.get(suffix, ()):
        if pair[0].anchor in data:
            for field in pair:
                at, size = data.index(field.anchor) + field.offset, struct.calcsize(field.layout)
                value = min(dice.choice(_HUGE), (1 << 8 * size) - 1)
                data = data[:at] + struct.pack(field.layout, value) + data[at + size :]
    return mend_png(data) if suffix == ".png" else data


def mend_png(data: bytes) -> bytes:
    """Returns a PNG with the right checksum behind every chunk that is whole."""
    mended, at = bytearray(data), 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        mended[end : end + 4] = zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(mended)


def _lie_of_matroska(data: bytes, dice: Random) -> bytes:
    for _ in range(dice.choice((1, 1, 2, 3))):
        there = [element for element in _ELEMENTS if element in data]
        if not there:
            break
        element = dice.choice(there)
        at = dice.choice([match.end() for match in re.finditer(re.escape(element), data)][:50])
        if at >= len(data):
            continue
        size = data[at] & 0x7F
        if 1 <= size <= 8 and len(element) != 4:
            value = dice.choice((bytes(size), b"\xff" * size, b"\x7f" + b"\xff" * (size - 1), dice.randbytes(size)))
            data = data[: at + 1] + value + data[at + 1 + size :]
        else:
            data = _write(data, at, dice.choice(("B", ">H", ">Q")), dice)
    return data


def _lie_in_words(data: bytes, dice: Random) -> bytes:
    head, newline, rest = data.partition(b"\n" if data.startswith(b"YUV4") else b"255\n")
    numbers = list(re.finditer(rb"\d+", head))
    if not numbers:
        return data
    number = dice.choice(numbers)
    other = dice.choice((b"0", b"-1", b"1", b"65", b"65535", b"2147483647", b"99999999999999999999", b"x"))
    return head[: number.start()] + other + head[number.end() :] + newline + rest


def _write(data: bytes, at: int, layout: str, dice: Random) -> bytes:
    """Writes an extreme number of this layout, as far as the file reaches."""
    size = struct.calcsize(layout)
    if at < 0 or at + size > len(data):
        return data
    value: float
    if layout.endswith("d"):
        value = dice.choice((0.0, -1.0, 1e9, 1e300, float("nan"), float("inf"), 0.001, 65.0, 1000.0))
    else:
        value = _extreme(struct.unpack_from(layout, data, at)[0], 8 * size, dice)
        if layout[-1].islower():
            value -= (value >> (8 * size - 1)) << (8 * size)
    return data[:at] + struct.pack(layout, value) + data[at + size :]


def _extreme(value: int, bits: int, dice: Random) -> int:
    """Returns a number of so many bits that a header should not say, or one that is nearly right."""
    most = (1 << bits) - 1
    choices = (0, 1, 2, most, most - 1, most >> 1, (most >> 1) + 1, value + 1, value - 1, 2 * value, 1000 * value)
    return dice.choice((*choices, dice.randrange(most))) & most


def _few(dice: Random, most: int) -> int:
    """Returns a number from 1, mostly a small one."""
    return 1 + int(most ** dice.random()) if most > 1 else 1


def _place(data: bytes, dice: Random) -> int:
    return dice.randrange(len(data)) if data else 0


def _block(data: bytes, dice: Random) -> tuple[int, int]:
    begin = _place(data, dice)
    return begin, min(len(data), begin + _few(dice, max(2, len(data) // 4)))


def damage(data: bytes, dice: Random, suffix: str, others: Sequence[bytes] = ()) -> tuple[bytes, str]:
    """Returns a damaged file and what was done to it.

    Args:
        data: the whole file, not empty.
        dice: decides everything.
        suffix: of the file's name; decides where its header can lie.
        others: files that may be appended or of which a block may be put in.
    """
    done = []
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        if not data:
            break
        choice = dice.random()
        if choice < 0.06 and suffix in _SIZES:
            data, name = make_huge(data, dice, suffix), "a huge size"
        elif choice < 0.35:
            data, name = lie(data, dice, suffix), "a lie in the header"
        elif choice < 0.42 and others:
            data, name = _joined(data, dice.choice(others), dice), "joined with another file"
        elif choice < 0.5 and suffix == ".ts":
            data, name = shuffle_packets(data, dice), "packets lost, repeated, exchanged"
        else:
            name = dice.choice(list(ANYWHERE))
            data = ANYWHERE[name](data, dice)
        done.append(name)
    return data, ", ".join(done)


def _joined(data: bytes, other: bytes, dice: Random) -> bytes:
    at = dice.choice((len(data), _place(data, dice), 0))
    return data[:at] + other + data[at:]
