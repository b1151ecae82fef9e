"""The headers of weights files: names, shapes, dtypes and offsets of tensors. Neither imports torch nor reads the tensors.

Four containers are recognised by their first bytes: safetensors, GGUF, torch's zip, and torch's legacy stream of pickles. All
yield the same :class:`Header`, so tensors are read from their offsets and nothing is ever unpickled.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

from engine.checkpoints.files.gguf_file import read_gguf
from engine.checkpoints.files.pickles import PickleRefused, UnsafePickle
from engine.checkpoints.files.safetensors_file import read_safetensors
from engine.checkpoints.files.tensor_info import BYTES, LONGEST_NAME, MOST_TENSORS, DamagedFile, Header, Tensor, UnusableFile
from engine.checkpoints.files.torch_file import read_legacy, read_zip
from engine.errors import CheckpointError
from engine.storage.regular_files import open_regular_file

__all__ = ["BYTES", "Header", "Tensor", "create_refusal", "read_header"]


def read_header(path: Path) -> Header:
    """The header of a weights file. Raises CheckpointError, a sentence that names the file, for any other file."""
    try:
        with open_regular_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            header = _choose_reader(path, file.read(16))(path, file, size)
            _check_names(header.tensors)
            header = dataclasses.replace(header, tensors=_add_prefix(header.tensors))
            return dataclasses.replace(header, digest=_digest(header, file, size))
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"“{path.name}” cannot be read: {error.strerror or error}.") from error
    except (UnsafePickle, UnusableFile) as error:
        raise create_refusal(path, str(error), is_whole=True) from error
    except (PickleRefused, zipfile.BadZipFile, DamagedFile) as error:
        raise create_refusal(path, str(error)) from error
    except Exception as error:
        raise create_refusal(path, f"it is damaged ({type(error).__name__})") from error


def _check_names(tensors: Mapping[str, Tensor]) -> None:
    if len(tensors) > MOST_TENSORS:
        raise UnusableFile("it has more parts than any checkpoint")
    if any(len(name) > LONGEST_NAME for name in tensors):
        raise UnusableFile("a part of it has a longer name than any checkpoint needs")


def _add_prefix(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """UNets alone are saved with and without the prefix that their tensors have in a checkpoint."""
    if not tensors.keys() >= {"input_blocks.0.0.weight", "out.2.weight"}:
        return tensors
    return {f"model.diffusion_model.{name}": tensor for name, tensor in tensors.items()}


SAMPLE = 65536


def _digest(header: Header, file: BinaryIO, size: int) -> str:
    """Files saved by the same program can have equal headers, so samples of the weights are hashed as well."""
    digest = hashlib.sha256(header.digest.encode())
    for at in (size // 4, size // 2, max(0, size - SAMPLE)):
        file.seek(at)
        digest.update(file.read(SAMPLE))
    return digest.hexdigest()


def create_refusal(path: Path, why: str, *, is_whole: bool = False) -> CheckpointError:
    """The error for a file that cannot be used; ``why`` is the second half of its sentence. ``is_whole``: fetching it again would
    not help."""
    advice = "Choose another file." if is_whole else "Fetch the file again, or choose another one."
    return CheckpointError(f"“{path.name}” was not loaded: {why}. {advice}")


def _choose_reader(path: Path, start: bytes) -> Callable[[Path, BinaryIO, int], Header]:
    if len(start) >= 9 and start[8:9] in (b"{", b" "):  # before the others: a length may begin as they do
        return read_safetensors
    if start[:4] == b"GGUF":
        return read_gguf
    if start[:2] == b"PK":
        return read_zip
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04"):
        return read_legacy
    for name, what in _FOREIGN.items():
        if re.match(name.encode("latin-1"), start, re.DOTALL):
            raise create_refusal(path, what, is_whole=True)
    raise create_refusal(path, _what_it_is(start))


_FOREIGN: Mapping[str, str] = {
    "\x89PNG|\xff\xd8\xff|GIF8|RIFF": "it is a picture or a sound, not a checkpoint",
    "\x08[\x01-\x20][\x12\x1a\x3a\x42]": "it is an ONNX model, and Easel runs WD14 taggers alone: get it as safetensors",
    "\x89HDF\r\n": "it is a Keras model (HDF5), which Easel does not run: get the same model as safetensors",
    "....TFL3": "it is a TensorFlow Lite model, which Easel does not run: get the same model as safetensors",
    "Rar!|7z\xbc\xaf|\x1f\x8b": "it is a packed archive: unpack it, and put what is in it into the models folder",
}  # fmt: skip
"""Beginning of a file, a regular expression -> what it is."""


def _what_it_is(start: bytes) -> str:
    text = start.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if not start:
        return "it is empty"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "it is a web page, not a checkpoint: the download saved a page that says why"
    if start.startswith(b"version https://"):
        return "it is a pointer to a large file (Git LFS), not the file itself"
    return "it is neither safetensors nor a torch checkpoint"
