"""Switches off every dependency's usage reports and update checks.

Most are read when the dependency is first imported, so ``import engine`` does this before anything else. The processes that are
started from here inherit the environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

SWITCHES: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",  # what several projects have agreed on; huggingface_hub reads it
    "DISABLE_TELEMETRY": "1",  # huggingface_hub, diffusers and transformers, by the older name
    "HF_HUB_DISABLE_TELEMETRY": "1",  # the same, by the present name
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",  # huggingface_hub asks for newer versions of itself
    "GRADIO_ANALYTICS_ENABLED": "False",  # Gradio reports each page that is made, and asks for newer versions of itself
    "FASTAPI_OTEL_AUTO_CONFIGURE": "false",  # FastAPI would send traces to whatever OTEL_EXPORTER_OTLP_ENDPOINT names
    "OTEL_SDK_DISABLED": "true",  # OpenTelemetry, which FastAPI brings along
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray, where somebody has installed it beside Easel
}
"""Environment variable -> the value that turns something off. PyTorch, torchvision, accelerate and peft report nothing."""

REPORTERS = ("openvino_telemetry",)
"""Modules that only report. OpenVINO has a stand-in for where this one is missing, and no variable that turns it off."""

HUB_SWITCHES: Mapping[str, str] = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
"""As :data:`SWITCHES`, for processes that have nothing to download."""

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "easel_unusable_proxy")


class _Refusal(MetaPathFinder):
    """An import system's answer for :data:`REPORTERS`: as if they were not installed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """None, so that the other finders are asked. Raises ModuleNotFoundError for a module that only reports."""
        if fullname in REPORTERS:
            raise ModuleNotFoundError(f"Easel imports no {fullname}: it only reports on its user.", name=fullname)


_REFUSAL = _Refusal()


def disable_reports() -> None:
    """Turn all of :data:`SWITCHES` off in this process and those that it starts, and make :data:`REPORTERS` unimportable here.

    Doing it again changes nothing.
    """
    os.environ.update(SWITCHES)
    if _REFUSAL not in sys.meta_path:
        sys.meta_path.insert(0, _REFUSAL)


def disable_downloads() -> None:
    """Make libraries in this process raise instead of downloading missing files. Call it before huggingface_hub is imported.

    A process that never downloads needs no proxy, whose address may contain a password.
    """
    os.environ.update(HUB_SWITCHES)
    for name in [name for name in os.environ if name.lower() in PROXIES]:
        del os.environ[name]
