"""The routes of the ControlNet extension: its networks and preprocessors, and what a preprocessor makes of a picture."""

from __future__ import annotations

from fastapi import APIRouter

from api.a1111.models import Detection
from api.context import ApiContext, Json
from api.images import read_base64, write_base64
from engine.checkpoints.control.purposes import PURPOSES, find_purpose
from engine.checkpoints.library.control_networks import list_controls
from engine.errors import RequestError
from engine.generate.control.maps import map_file
from engine.records.foreign.control_units import MODULES, find_preprocessor
from engine.requests import MOST_CONTROLS

_VERSION = 3
"""Of the extension's API: the last one."""

_SIDES = range(64, 4097)
"""The shorter side of a map in pixels."""

_USUAL_SIDE = 512

_TYPES = {
    "Canny": "canny", "Depth": "depth", "IP2P": "instructions", "Inpaint": "inpaint", "Lineart": "line_art", "MLSD": "mlsd",
    "NormalMap": "normal", "OpenPose": "pose", "Recolor": "colours", "Scribble": "scribble", "Segmentation": "segmentation",
    "Shuffle": "shuffle", "SoftEdge": "soft_edge", "Tile": "tile",
}  # fmt: skip
"""The extension's word for a kind of control -> the purpose of its networks."""


def create_routes(context: ApiContext) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/controlnet", tags=["A1111"])

    @routes.get("/version")
    async def version() -> Json:
        """The version of the extension's API."""
        return {"version": _VERSION}

    @routes.get("/settings")
    async def settings() -> Json:
        """How many controls a picture can have."""
        return {"control_net_unit_count": MOST_CONTROLS}

    @routes.get("/module_list")
    async def module_list() -> Json:
        """The preprocessors that need no weights, by the extension's names."""
        return {"module_list": [*_list_modules()], "module_detail": {}}

    @routes.get("/model_list")
    async def model_list() -> Json:
        """The control networks in the user's folders."""
        return {"model_list": [*await context.run(_list_models, context)]}

    @routes.get("/control_types")
    async def control_types() -> Json:
        """The networks and preprocessors of each kind."""
        return {"control_types": await context.run(_list_types, context)}

    @routes.post("/detect")
    async def detect(body: Detection) -> Json:
        """What a preprocessor makes of pictures."""
        return {"images": [*await context.run(_detect, context, body)], "info": "Success"}

    return routes


def _list_modules() -> list[str]:
    return list(dict.fromkeys(MODULES.values()))


def _list_models(context: ApiContext) -> list[str]:
    return [control.name for control in list_controls(context.catalogue.scan())]


def _list_types(context: ApiContext) -> Json:
    controls = list_controls(context.catalogue.scan())
    found: Json = {"All": _write_type(_list_modules(), [each.name for each in controls], MODULES["none"])}
    for word, purpose in _TYPES.items():
        own, plain = MODULES[PURPOSES[purpose].preprocessor or "none"], MODULES["none"]
        models = [each.name for each in controls if find_purpose(each.path) == purpose]
        found[word] = _write_type(list(dict.fromkeys((plain, own))), models, own)
    return found


def _write_type(modules: list[str], models: list[str], module: str) -> Json:
    return {
        "module_list": [*modules],
        "model_list": ["None", *models],
        "default_option": module,
        "default_model": models[0] if models else "None",
    }


def _detect(context: ApiContext, body: Detection) -> list[str]:
    """The maps in base64. Raises EaselError."""
    preprocessor = find_preprocessor(body.controlnet_module)
    if preprocessor is None:
        raise RequestError(
            f"Module not available: Easel has no “{body.controlnet_module[:100]}”. It has {', '.join(_list_modules())}."
        )
    if not body.controlnet_input_images:
        raise RequestError("No image selected: send pictures in “controlnet_input_images”, in base64.")
    side = body.controlnet_processor_res if body.controlnet_processor_res in _SIDES else _USUAL_SIDE
    return [_detect_one(context, each, preprocessor, side) for each in body.controlnet_input_images]


def _detect_one(context: ApiContext, picture: str, preprocessor: str, side: int) -> str:
    with context.keep_temporarily(read_base64(picture)) as path:
        return write_base64(map_file(path, preprocessor, side))
