"""Damaged, disguised and malicious files: each is refused with a sentence, and nothing of it runs."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.checkpoints.files.headers import read_header
from engine.checkpoints.files.pickles import PickleRefused, read_pickle
from engine.errors import CheckpointError


def safetensors(entries: dict[str, Any], body: bytes = b"\0" * 64) -> bytes:
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + body


def entry(begin: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def archive(pickled: bytes, compression: int = zipfile.ZIP_STORED, storage: bytes = b"\0" * 16) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", compression) as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/data/0", storage)
    return whole.getvalue()


class Malicious:
    """Writes a file when it is unpickled the ordinary way."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "web page": (b"<!DOCTYPE html><html><body>403 Forbidden</body></html>", "web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    "picture": (b"\x89PNG\r\n\x1a\n" + b"0" * 40, "picture"),
    "gguf": (b"GGUF" + b"\0" * 40, "GGUF"),
    "text": (b"Dear reader, this is a text and no checkpoint.", "neither safetensors nor"),
    "truncated header": (safetensors({"a": entry(0, 64, [16])})[:20], "truncated"),
    "truncated body": (safetensors({"a": entry(0, 640, [160])}), "truncated"),
    "huge header": (struct.pack("<Q", 2**60) + b"{}" + b"\0" * 20, "truncated"),
    "no json": (struct.pack("<Q", 8) + b"{broken}" + b"\0" * 64, "damaged"),
    "overlap": (safetensors({"a": entry(0, 16, [4]), "b": entry(8, 24, [4])}), "overlap"),
    "wrong size": (safetensors({"a": entry(0, 16, [5])}), "another size"),
    "negative": (safetensors({"a": entry(-16, 0, [4])}), "impossible size"),
    "huge shape": (safetensors({"a": entry(0, 16, [2**62, 2**62])}), "impossible size"),
    "unknown dtype": (safetensors({"a": entry(0, 16, [4], "F5")}), "number format"),
    "half a zip": (archive(pickle.dumps({}, 2))[:60], "zip"),
    "bomb": (archive(pickle.dumps({}, 2), zipfile.ZIP_DEFLATED, b"\0" * 10_000_000), "unpack to any size"),
    "other pickle": (pickle.dumps({"a": 1}, 2), "not one that torch wrote"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_refused_with_a_sentence(name: str, tmp_path: Path) -> None:
    content, words = DAMAGED[name]
    path = tmp_path / "thing.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"thing.safetensors.*(?:{words}).*[.]$"):
        read_header(path)


def test_a_header_whose_length_looks_like_the_start_of_a_pickle_is_read(tmp_path: Path) -> None:
    plain = safetensors({"a": entry(0, 64, [16])})
    header = plain[8:-64].ljust(0x0280)
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + plain[-64:])
    assert path.read_bytes()[:2] == b"\x80\x02"
    assert read_header(path).container == "safetensors"


@pytest.mark.parametrize("call", [os.system, eval, open, os.mkdir, print])
@pytest.mark.parametrize("form", ["zip", "legacy"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_malicious_pickle_does_nothing(call: Callable[..., Any], form: str, protocol: int, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    arguments = {os.system: f"touch {trace}", eval: f"open({str(trace)!r}, 'w')", open: str(trace), os.mkdir: str(trace)}
    wanted = (arguments.get(call, "x"), "w") if call is open else (arguments.get(call, "x"),)
    pickled = pickle.dumps({"state_dict": Malicious(call, *wanted)}, protocol)
    path = tmp_path / "thing.ckpt"
    path.write_bytes(archive(pickled) if form == "zip" else pickled)
    with pytest.raises(CheckpointError):
        read_header(path)
    assert not trace.exists()
    if call is os.mkdir:
        pickle.loads(pickled)
        assert trace.exists(), "the pickle is malicious indeed"


@pytest.mark.parametrize("module", ["os", "subprocess", "torch", "torch.hub", "builtins", "numpy", "diffusers_evil", "sys"])
def test_names_that_no_checkpoint_needs_are_refused(module: str) -> None:
    with pytest.raises(PickleRefused, match="no checkpoint needs"):
        read_pickle(b"\x80\x02c" + module.encode() + b"\nsystem\nq\x00.")


def test_training_classes_stay_names() -> None:
    """The first Stable Diffusion's file has Lightning's class as a key of its callbacks."""
    name = b"cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\nq\x00"
    value, _ = read_pickle(b"\x80\x02}" + name + b"}s.")
    (key,) = value
    assert key.path == "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"


def test_a_memo_far_away_takes_no_memory() -> None:
    assert read_pickle(b"\x80\x02K\x01r\xff\xff\xff\x7f.")[0] == 1


def test_lists_within_lists_are_read_without_recursion() -> None:
    assert isinstance(read_pickle(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".")[0], list)


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(raw: bytes) -> None:
    try:
        read_pickle(b"\x80\x02" + raw)
    except PickleRefused:
        return


@given(st.binary(max_size=120), st.sampled_from([b"PK\x03\x04", b"\x80\x02", struct.pack("<Q", 20) + b"{", b""]))
def test_no_file_does_more_than_be_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes, start: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(start + raw)
    try:
        read_header(path)
    except CheckpointError as error:
        assert "any.bin" in str(error)


def test_a_file_of_four_gigabytes_is_told_from_its_header(tmp_path: Path) -> None:
    path = tmp_path / "large.safetensors"
    count = 1100
    size = 4 * 2**30 // count // 4 * 4
    entries = {f"model.diffusion_model.part.{i}.weight": entry(i * size, (i + 1) * size, [size // 4]) for i in range(count)}
    path.write_bytes(safetensors(entries, b""))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + count * size)
    began = time.process_time()
    header = read_header(path)
    assert len(header.tensors) == count
    print(f"read in {1000 * (time.process_time() - began):.0f} ms")


def test_headers_alike_with_other_weights_have_another_digest(tmp_path: Path) -> None:
    for name, fill in (("a", b"\1"), ("b", b"\2")):
        (tmp_path / name).write_bytes(safetensors({"x": entry(0, 64, [16])}, fill * 64))
    assert read_header(tmp_path / "a").digest != read_header(tmp_path / "b").digest
