"""Weights files that are damaged, unusual or malicious, written from a seeded random generator: safetensors, zips and pickles.

Each function takes the generator and returns the bytes of a file; :data:`WRITERS` lists them all by name.
"""

from __future__ import annotations

import copy
import io
import json
import math
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

Bytes = Callable[[random.Random], bytes]

_UNET = "model.diffusion_model.input_blocks.0.0.weight"
_BIAS = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
CONTENTS: dict[str, dict[str, tuple[int, ...]]] = {
    "checkpoint": {_UNET: (8, 4, 3, 3), "cond_stage_model.model.ln_final.weight": (8,), _BIAS: (8,)},
    "first": {_UNET: (8, 4, 3, 3), "cond_stage_model.transformer.text_model.final_layer_norm.weight": (8,)},
    "lora": {"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 768)},
    "vae": {"encoder.conv_in.weight": (4, 3, 3, 3), "decoder.conv_in.weight": (4, 4, 3, 3)},
    "upscaler": {
        "conv_first.weight": (4, 3, 3, 3), "body.0.rdb1.conv1.weight": (4, 4, 3, 3), "conv_up1.weight": (4, 4, 3, 3),
        "conv_up2.weight": (4, 4, 3, 3), "conv_last.weight": (3, 4, 3, 3),
    },
    "embedding": {"emb_params": (3, 768)},
}  # fmt: skip
"""Kind of file -> the tensors by which it is recognised."""

RAW = {"@deep": "[" * 5000 + "]" * 5000, "@digits": "9" * 6000, "@many": "9" * 4000, "@infinite": "1e999", "@nan": "NaN"}
"""Placeholder -> JSON text that json.dumps does not write."""

ODD: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**63, 2**64, -(2**63), 1e308, 0.5, "", "\0", "\ud83d", "\u202e", "../../x", "/etc/passwd",
    "x" * 5000, [], [[]], {}, {"": {}}, [-1, 5], [0] * 1000, [2**40] * 500, ["F32"], *RAW,
)  # fmt: skip
"""Values that no program writes in these places."""


def mutate_json(rng: random.Random, value: Any) -> bytes:
    """``value`` as JSON with one to three places in it replaced, removed or repeated, sometimes in another encoding."""
    whole = {"root": json.loads(json.dumps(value))}
    for _ in range(rng.randint(1, 3)):
        spots = [(holder, key) for holder in _walk(whole) for key in (holder if isinstance(holder, dict) else range(len(holder)))]
        holder, key = rng.choice(spots)
        if rng.random() < 0.2 and holder is not whole:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(rng.choice(ODD))
    text = json.dumps(whole.get("root"))
    for mark, raw in RAW.items():
        text = text.replace(json.dumps(mark), raw)
    return text.encode(rng.choice(["utf-8"] * 8 + ["utf-16", "utf-8-sig"]))


def _walk(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        if value:
            yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _walk(each)


def create_safetensors(names: dict[str, tuple[int, ...]]) -> bytes:
    """A valid file of zeros."""
    entries, body = describe_tensors(names)
    return frame(json.dumps(entries).encode(), body)


def describe_tensors(names: dict[str, tuple[int, ...]]) -> tuple[dict[str, Any], bytes]:
    """The header of a file as a value, and its zeros."""
    entries: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in names.items():
        size = 2 * math.prod(shape)
        entries[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    return entries, b"\0" * end


def frame(header: bytes, body: bytes) -> bytes:
    """A safetensors file with this header and body."""
    return struct.pack("<Q", len(header)) + header + body


@cache
def create_sound(kind: str, container: str) -> bytes:
    """A valid file of a kind in :data:`CONTENTS`, in a ``container`` as in Header."""
    if container == "safetensors":
        return create_safetensors(CONTENTS[kind])
    whole = io.BytesIO()
    weights = {name: torch.zeros(shape, dtype=torch.float16) for name, shape in CONTENTS[kind].items()}
    torch.save({"state_dict": weights, "global_step": 5}, whole, _use_new_zipfile_serialization=container == "zip")
    return whole.getvalue()


def _pick(rng: random.Random) -> bytes:
    return create_sound(rng.choice(list(CONTENTS)), rng.choice(["safetensors", "zip", "legacy"]))


def damage_bytes(rng: random.Random) -> bytes:
    """Single bits and bytes changed, mostly near the beginning or the end, where the headers are."""
    raw = bytearray(_pick(rng))
    for _ in range(rng.randint(1, 12)):
        reach = min(len(raw), 600)
        at = rng.choice([rng.randrange(reach), len(raw) - 1 - rng.randrange(reach), rng.randrange(len(raw))])
        raw[at] = rng.choice([0, 0xFF, rng.randrange(256), raw[at] ^ (1 << rng.randrange(8))])
    return bytes(raw)


def damage_fields(rng: random.Random) -> bytes:
    """Four or eight bytes replaced by extreme integers."""
    raw = bytearray(_pick(rng))
    for _ in range(rng.randint(1, 4)):
        field = rng.choice([b"\xff" * 4, b"\xff" * 8, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0" * 7 + b"\x80"])
        at = rng.choice([rng.randrange(min(len(raw), 64)), max(0, len(raw) - rng.randint(1, 200)), rng.randrange(len(raw))])
        raw[at : at + len(field)] = field
    return bytes(raw)


def cut(rng: random.Random) -> bytes:
    """Truncated, repeated, or with a piece missing or inserted."""
    raw = _pick(rng)
    first, last = sorted(rng.randrange(len(raw) + 1) for _ in range(2))
    pieces = (
        raw[:first],
        raw[last:],
        raw[:first] + raw[last:],
        raw[:last] + raw[first:],
        raw[:first] + rng.randbytes(40) + raw[first:],
    )
    return rng.choice(pieces)


def mutate_header(rng: random.Random) -> bytes:
    """A safetensors file with an unusual header."""
    entries, body = describe_tensors(rng.choice(list(CONTENTS.values())))
    return frame(mutate_json(rng, entries), body)


def name_tensors_oddly(rng: random.Random) -> bytes:
    """Tensors that are scalars, have sixty dimensions or none, or names that no program uses."""
    names = dict(rng.choice(list(CONTENTS.values())))
    for name in rng.sample(list(names), rng.randint(1, len(names))):
        shape = rng.choice([(), (0,), (1,) * 60, names[name][::-1], (*names[name], 1), (1, 1)])
        odd = rng.choice([name, name + "\0", "\u202e" + name, name * 50, name.replace("11", "9" * 5000), "\ud83d" + name, ""])
        names.pop(name)
        names[odd] = shape
    clues = ("x.attn2.to_k.weight", _BIAS, "lora_down.weight", "model.0.weight", "conv_first.weight", "model.1.sub.0.weight")
    names.update({rng.choice(clues): () for _ in range(2)})
    return create_safetensors(names)


def hold_much(rng: random.Random) -> bytes:
    """Very many tensors, very long names, or a header of spaces."""
    if rng.random() < 0.5:
        return create_safetensors({f"{rng.choice('abc')}{i}": () for i in range(rng.choice([2000] * 7 + [51_000]))})
    return rng.choice([create_safetensors({"x" * 100_000: (1,)}), frame(b"{" + b" " * 2**20 + b"}", b"")])


# pickles


class _Caller:
    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self._call, self._arguments = call, arguments

    def __reduce__(self) -> Any:
        return self._call, self._arguments


def create_malicious(rng: random.Random, canary: Path) -> bytes:
    """A pickle that creates the file ``canary`` when it is unpickled the ordinary way."""
    calls = (_Caller(os.system, f"touch {canary}"), _Caller(open, str(canary), "w"), _Caller(exec, f"open({str(canary)!r}, 'w')"),
             _Caller(os.mkdir, str(canary)))  # fmt: skip
    value = rng.choice([lambda call: call, lambda call: {"state_dict": call}, lambda call: [call]])(rng.choice(calls))
    return contain(rng, pickle.dumps(value, rng.choice([0, 2, 3, 4, 5])))


def contain(rng: random.Random, pickled: bytes) -> bytes:
    """A pickle in one of torch's two containers, or alone."""
    alone = rng.random()
    if alone < 0.2:
        return pickled
    if alone < 0.5:
        magic, protocol, system = (pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
        return magic + protocol + system + pickled + pickle.dumps([], 2)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", b"\0" * 64)
    return whole.getvalue()


def _long(value: int) -> bytes:
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + struct.pack("<i", len(raw)) + raw


_TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"
_PARAMETER = b"ctorch._utils\n_rebuild_parameter\n"
_STORAGE = b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x10tQ"


def _tensor(shape: bytes, stride: bytes = b"(t", storage: bytes = _STORAGE) -> bytes:
    return _TENSOR + b"(" + storage + b"K\x00" + shape + stride + b"\x89Nt" + b"R"


def _with_key(key: bytes) -> bytes:
    return b"\x80\x02}" + key + _tensor(b"(t") + b"s."


def _share(depth: int, width: int) -> bytes:
    """Nested dictionaries that each contain one dictionary ``width`` times: few bytes that describe an exponential tree."""
    inner = b"}X\x01\x00\x00\x00w" + _tensor(b"(t") + b"sq\x00"
    for level in range(depth):
        entries = b"".join(b"X\x04\x00\x00\x00" + f"{i:04}".encode() + b"h" + bytes([level]) for i in range(width))
        inner += b"0}(" + entries + b"uq" + bytes([level + 1])
    return b"\x80\x02" + inner + b"."


def describe_oddly(rng: random.Random) -> bytes:
    """A pickle with numbers, keys, nestings and shapes that no program writes."""
    return contain(rng, rng.choice(_ODD_PICKLES)(rng))


def _with_shape(*tensor: bytes) -> Callable[[random.Random], bytes]:
    return lambda rng: b"\x80\x02}X\x01\x00\x00\x00w" + _tensor(*tensor) + b"s."


_INSTRUCTIONS = b"(]})0123NKq\x00eusabtR\x85\x86\x87h\x90\x8f\x91\x93"
_ODD_PICKLES: tuple[Bytes, ...] = (
    lambda rng: _with_key(_long(10**5000)),
    lambda rng: _with_key(b"(" * 3 + b")" + b"\x85" * 60_000),
    lambda rng: _with_key(b"G\x7f\xf8" + b"\0" * 6),
    lambda rng: _with_key(b"C\x01x"),
    lambda rng: b"\x80\x02}(" + b"".join(_long(i * (2**61 - 1)) + b"N" for i in range(1, 20_000)) + b"u.",
    lambda rng: b"\x80\x02}(" + b"".join(b"J" + struct.pack("<i", i * 65536) + b"N" for i in range(20_000)) + b"u.",
    lambda rng: b"\x80\x02}X\x01\x00\x00\x00w" + _PARAMETER * 3000 + _tensor(b"(t") + b"\x85R" * 3000 + b"s.",
    lambda rng: _share(3, 200),
    lambda rng: b"\x80\x02]q\x00h\x00a.",
    lambda rng: b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",
    lambda rng: b"\x80\x02" + b"(" * 100_000 + b".",
    lambda rng: b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".",
    lambda rng: b"\x80\x02K\x01" + b"2" * 200_000 + b".",
    lambda rng: b"\x80\x02" + rng.randbytes(rng.randint(1, 300)) + b".",
    lambda rng: b"\x80\x02" + bytes(rng.choice(_INSTRUCTIONS) for _ in range(400)) + b".",
    _with_shape(b"J\xff\xff\xff\xff\x85"),
    _with_shape(_long(2**70) + b"\x85"),
    _with_shape(b"X\x01\x00\x00\x00a\x85"),
    _with_shape(b"(" + b"M\xff\xff" * 2000 + b"t", b"(" + b"M\xff\xff" * 2000 + b"t"),
    _with_shape(b"K\x10\x85", b"K\x00\x85"),
    _with_shape(b"K\x04\x85", b"(t"),
    _with_shape(b"K\x04\x85", b"K\x01\x85", b"N"),
    _with_shape(b"K\x04\x85", b"K\x01\x85", b"K\x05Q"),
    _with_shape(b"J\xff\xff\xff\x7f\x85", b"K\x00\x85"),
)


# zips


def pack_oddly(rng: random.Random) -> bytes:
    """A zip with an unusual central directory."""
    whole = io.BytesIO()
    compression = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
    names = [
        "archive/data.pkl",
        "archive/data/0",
        *rng.sample(["../out", "/etc/x", "a" * 6000, "archive/data/é", "data.pkl/"], 3),
    ]
    names += [f"archive/data/{i}" for i in range(1, rng.choice([1, 1, 1, 3000]))]
    with zipfile.ZipFile(whole, "w", compression) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), pickle.dumps({}, 2), compression)
    raw = whole.getvalue()
    newer = raw.replace(b"\x50\x4b\x01\x02\x14", b"\x50\x4b\x01\x02\xff")
    return rng.choice([raw, raw.replace("é".encode(), b"\xff\xfe"), newer, raw[40:]])


def claim_much(rng: random.Random) -> bytes:
    """A zip with impossible sizes or offsets of its directory or entries."""
    raw = bytearray(create_sound(rng.choice(list(CONTENTS)), "zip"))
    end, first = raw.rfind(b"PK\x05\x06"), raw.find(b"PK\x01\x02")
    spots = {end + 10: 2, end + 12: 4, end + 16: 4, first + 20: 4, first + 24: 4, first + 28: 2, first + 42: 4, first + 8: 2}
    for at in rng.sample(list(spots), rng.randint(1, 3)):
        raw[at : at + spots[at]] = rng.choice([b"\xff", b"\0", b"\x7f"]) * spots[at]
    return bytes(raw)


WRITERS: dict[str, Bytes] = {
    "damaged bytes": damage_bytes, "damaged fields": damage_fields, "cut": cut, "odd header": mutate_header,
    "odd tensors": name_tensors_oddly, "much": hold_much, "odd pickle": describe_oddly, "odd zip": pack_oddly,
    "claims": claim_much,
}  # fmt: skip
