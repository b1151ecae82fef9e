"""What there is to choose from: options, checkpoints, samplers, LoRAs and the rest, most of which clients only list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import psutil
from fastapi import APIRouter
from pydantic import JsonValue

from api.a1111.options import save_options, write_options
from api.context import ApiContext, Json
from api.names import SHORT_HASH, list_drawing, list_refiners, list_upscaler_names, write_title
from engine.checkpoints.library.entry import CheckpointEntry
from engine.checkpoints.library.upscalers import LANCZOS
from engine.generate.samplers import SCHEDULERS, SCHEDULES
from engine.prompt.presets import load_presets

_EMPTY = (
    "hypernetworks", "face-restorers", "realesrgan-models", "artist-categories", "artists", "latent-upscale-modes", "script-info",
    "extensions",
)  # fmt: skip
"""Lists of what Easel does not have, which clients ask for all the same."""

_NOTHING_TO_DO = (
    "refresh-checkpoints",
    "refresh-loras",
    "refresh-vae",
    "refresh-embeddings",
    "unload-checkpoint",
    "reload-checkpoint",
)
"""Routes that are answered and need nothing done: folders are read anew for every request, and memory is looked after."""

_AUTOMATIC = "Automatic"
_HIDDEN = ("Default Karras", "DPM++ 2M SDE (white noise)")
"""Names that only old records use."""


def create_routes(context: ApiContext) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["A1111"])
    for name, write in _LISTS.items():
        routes.add_api_route(f"/sdapi/v1/{name}", _answer(context, write), methods=["GET"], name=name)
    for name in _EMPTY:
        routes.add_api_route(f"/sdapi/v1/{name}", _answer(context, lambda _: []), methods=["GET"], name=name)
    for name in _NOTHING_TO_DO:
        routes.add_api_route(f"/sdapi/v1/{name}", _answer(context, lambda _: {}), methods=["POST"], name=name)

    @routes.post("/sdapi/v1/options")
    async def set_options(body: dict[str, JsonValue]) -> Json:
        """Choose the checkpoint, the VAE and clip skip of later requests. All other options are left as they are."""
        await context.run(save_options, context, body)
        return {}

    return routes


def _answer(context: ApiContext, write: Callable[[ApiContext], JsonValue]) -> Callable[[], Awaitable[JsonValue]]:
    async def answer() -> JsonValue:
        return await context.run(write, context)

    return answer


def _list_models(context: ApiContext) -> JsonValue:
    inventory = context.catalogue.scan()
    drawing = list_drawing(inventory)
    refiners = [entry for entry in list_refiners(inventory) if entry not in drawing]
    return [_write_model(entry) for entry in (*drawing, *refiners)]


def _write_model(entry: CheckpointEntry) -> Json:
    return {
        "title": write_title(entry),
        "model_name": entry.name,
        "hash": (entry.sha256 or entry.hash)[:SHORT_HASH],
        "sha256": entry.sha256 or None,
        "filename": str(entry.path),
        "config": None,
    }


def _list_samplers(context: ApiContext) -> JsonValue:
    names = [name for name in SCHEDULERS if name not in _HIDDEN]
    return [{"name": name, "aliases": [f"k_{name.lower().replace(' ', '_')}"], "options": {}} for name in names]


def _list_schedulers(context: ApiContext) -> JsonValue:
    names = [_AUTOMATIC, *(name for name in SCHEDULES if name not in _HIDDEN)]
    rows = {"name": "", "default_rho": -1, "need_inner_model": False, "aliases": None}
    return [{**rows, "name": name.lower().replace(" ", "_"), "label": name} for name in names]


def _list_upscalers(context: ApiContext) -> JsonValue:
    inventory = context.catalogue.scan()
    paths = {entry.name: str(entry.path) for entry in inventory.entries}
    return [_write_upscaler("None"), *(_write_upscaler(name, paths.get(name)) for name in list_upscaler_names(inventory))]


def _write_upscaler(name: str, path: str | None = None) -> Json:
    label = "Lanczos" if name == LANCZOS else name
    return {"name": label, "model_name": None, "model_path": path, "model_url": None, "scale": 4}


def _list_vaes(context: ApiContext) -> JsonValue:
    found = context.catalogue.scan().of_kind("vae")
    return [{"model_name": entry.name, "filename": str(entry.path)} for entry in found]


def _list_loras(context: ApiContext) -> JsonValue:
    found = context.catalogue.scan().of_kind("lora")
    return [{"name": entry.name, "alias": entry.name, "path": str(entry.path), "metadata": {}} for entry in found]


def _list_embeddings(context: ApiContext) -> JsonValue:
    found = context.catalogue.scan().of_kind("embedding")
    unknown: Json = dict.fromkeys(("step", "sd_checkpoint", "sd_checkpoint_name", "shape", "vectors"))
    return {"loaded": {entry.word: unknown for entry in found}, "skipped": {}}


def _list_styles(context: ApiContext) -> JsonValue:
    presets, _ = load_presets(context.settings)
    return [{"name": p.name, "prompt": p.prompt, "negative_prompt": p.negative_prompt} for p in presets.values()]


def _measure_memory(context: ApiContext) -> JsonValue:
    memory = psutil.virtual_memory()
    ram: Json = {"free": memory.available, "used": memory.total - memory.available, "total": memory.total}
    return {"ram": ram, "cuda": {"error": "Easel's image generator holds the card; the Settings tab shows its memory."}}


_LISTS: dict[str, Callable[[ApiContext], JsonValue]] = {
    "options": write_options,
    "sd-models": _list_models,
    "samplers": _list_samplers,
    "schedulers": _list_schedulers,
    "upscalers": _list_upscalers,
    "sd-vae": _list_vaes,
    "loras": _list_loras,
    "embeddings": _list_embeddings,
    "prompt-styles": _list_styles,
    "scripts": lambda _: {"txt2img": [], "img2img": []},
    "memory": _measure_memory,
    "cmd-flags": lambda _: {},
}
"""Name of a list -> what writes it."""
