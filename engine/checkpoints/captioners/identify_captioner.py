"""Recognises captioners by their content: transformers folders by their configuration, taggers by what goes in and comes out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from engine.checkpoints.captioners.onnx_file import FLOAT, Port, is_onnx, read_onnx
from engine.checkpoints.captioners.tag_list import FILE, find_tag_file, read_tags
from engine.checkpoints.files.headers import SAMPLE, create_refusal, read_header
from engine.checkpoints.files.tensor_info import DamagedFile
from engine.checkpoints.identify.folders import read_json, weight_files
from engine.checkpoints.identify.identity import Identity, Part
from engine.errors import CheckpointError
from engine.json_values import JsonObject
from engine.storage.regular_files import open_regular_file

KIND = "captioner"

CONFIG = "config.json"

FOLDERS: Mapping[str, str] = {"blip": "BLIP", "florence2": "Florence-2"}
"""``model_type`` in the configuration of a transformers folder -> the name of the model."""

ONNX = "onnx"
"""The container of taggers."""

WEIGHTS = re.compile(r"(model|pytorch_model|tf_model|flax_model)\b[-.\w]*")
"""Names of the weights in a transformers folder."""

_FLORENCE_OWN = (
    "it is Florence-2 in the form of its authors, which brings its own program, and Easel never runs programs from a folder. Get "
    "it in transformers' form, such as florence-community/Florence-2-base"
)


def is_captioner_folder(folder: Path, files: Collection[str]) -> bool:
    """Whether ``folder``, which holds ``files``, is a captioner for transformers. Never raises."""
    if CONFIG not in files:
        return False
    try:
        return read_json(folder / CONFIG).get("model_type") in FOLDERS
    except CheckpointError:
        return False


def identify_captioner_folder(folder: Path) -> Identity:
    """The identity of a folder for which :func:`is_captioner_folder` holds. Raises CheckpointError if it is damaged."""
    config = read_json(folder / CONFIG)
    name = FOLDERS[str(config.get("model_type"))]
    if _brings_program(config):
        return Identity(kind="unknown", container="folder", reason=_FLORENCE_OWN)
    headers = [read_header(path) for path in weight_files(folder)]
    digest = hashlib.sha256("".join(header.digest for header in headers).encode()).hexdigest()
    part = Part.sum(tensor for header in headers for tensor in header.tensors.values())
    reason = f"{name}, which describes a picture in a sentence"
    return Identity(kind=KIND, parts={KIND: part}, container="folder", digest=digest, reason=reason)


def _brings_program(config: JsonObject) -> bool:
    """Whether Python code in the folder would have to run: transformers' own form names no class in another file."""
    return bool(config.get("auto_map"))


def identify_tagger(path: Path) -> Identity | None:
    """The identity of an ONNX file; None for any other file. Raises CheckpointError, a sentence, for one that is no tagger."""
    try:
        if not is_onnx(path):
            return None
        model = read_onnx(path)
    except DamagedFile as error:
        raise create_refusal(path, str(error)) from error
    if not _is_tagger(model.inputs, model.outputs):
        reason = "it is an ONNX model, and Easel runs WD14 taggers alone: get it as safetensors"
        raise create_refusal(path, reason, is_whole=True)
    if model.has_other_files:
        raise create_refusal(path, "its weights lie in another file. Get the tagger as one file", is_whole=True)
    count = _count_tags(path)
    if model.outputs[0].shape[-1] not in (0, count):
        raise create_refusal(path, f"its list of tags has {count} rows, not {model.outputs[0].shape[-1]}")
    size = path.stat().st_size
    part = Part("float32", size // 4, size)
    reason = f"a WD14 tagger with {count:,} tags"
    return Identity(kind=KIND, parts={KIND: part}, container=ONNX, digest=_digest(path, size), reason=reason)


def _is_tagger(inputs: tuple[Port, ...], outputs: tuple[Port, ...]) -> bool:
    """Whether a square image in colour goes in, channels last, and one row of numbers comes out."""
    if len(inputs) != 1 or len(outputs) != 1 or {inputs[0].type, outputs[0].type} != {FLOAT}:
        return False
    _, height, width, channels = inputs[0].shape if len(inputs[0].shape) == 4 else (0, 0, 0, 0)
    return height == width > 0 and channels == 3 and len(outputs[0].shape) == 2


def _count_tags(path: Path) -> int:
    listed = find_tag_file(path)
    if listed is None:
        missing = f"its list of tags is missing. Put “{FILE}”, which is published with it, beside it"
        raise create_refusal(path, missing, is_whole=True)
    try:
        return len(read_tags(listed))
    except (OSError, ValueError) as error:
        raise create_refusal(path, f"its list of tags, “{listed.name}”, cannot be used ({error})") from error


def _digest(path: Path, size: int) -> str:
    """Of the beginning, samples of the weights, and the end."""
    digest = hashlib.sha256(str(size).encode())
    with open_regular_file(path) as file:
        for place in (0, size // 4, size // 2, max(0, size - SAMPLE)):
            file.seek(place)
            digest.update(file.read(SAMPLE))
    return digest.hexdigest()
