# SPDX-License-Identifier: Apache-2.0
"""Encodings spoiled at random, for the tests and for hack/fuzz_protobuf."""

from __future__ import annotations

import functools
import random

import protobuf_objects

from pyk8s.apimachinery import codec
from pyk8s.apis import protobuf

_TELLING = (0x00, 0x01, 0x0A, 0x12, 0x7F, 0x80, 0xFF)


@functools.cache
def corpus() -> tuple[bytes, ...]:
    """One encoding of every kind."""
    return tuple(
        protobuf.encode(protobuf_objects.make(kind, seed=3), kind)
        for kind in protobuf_objects.kinds()
    )


def try_one(encodings: tuple[bytes, ...], source: random.Random) -> bool:
    """Spoil one encoding and read it: whether it was read. What was read can be written as JSON
    and read back; what was not raised DecodeError. Anything else escapes."""
    data = spoiled(source.choice(encodings), source)
    try:
        obj = protobuf.decode(data)
    except codec.DecodeError:
        return False
    assert codec.decode_json(codec.encode_json(obj)) == obj
    return True


def spoiled(data: bytes, source: random.Random) -> bytes:
    """A few bytes changed, inserted, removed or doubled, mostly behind the envelope's head."""
    out = bytearray(data)
    for _ in range(source.randint(1, 4)):
        if not out:
            break
        at = source.randrange(len(out))
        match source.randrange(6):
            case 0:
                out[at] = source.randrange(256)
            case 1:
                out[at] = source.choice(_TELLING)
            case 2:
                out[at:at] = source.randbytes(source.randint(1, 8))
            case 3:
                del out[at : at + source.randint(1, 8)]
            case 4:
                out[at:at] = out[at : at + source.randint(1, 64)]
            case _:
                out[at] ^= 1 << source.randrange(8)
    return bytes(out)
