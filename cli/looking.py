"""The commands that make nothing: ``info``, ``list``, ``plan``, ``jobs`` and ``key``."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from api.keys import create_key, read_keys, revoke_key
from cli.making import read_request
from cli.queues import Queue, end_running
from engine.checkpoints.library.catalogue import Catalogue
from engine.generate.samplers import SCHEDULERS, SCHEDULES
from engine.json_values import JsonObject
from engine.records.inspect_file import inspect_image_file
from engine.records.record import parameters, to_text
from engine.settings import Settings

_NO_SETTINGS = "There are no settings in this picture."


def info(asked: argparse.Namespace, settings: Settings) -> int:
    """The settings in an image file."""
    if asked.json:
        found = inspect_image_file(asked.image)
        own = json.loads(to_text(found.record)) if found.record else None
        size = {"width": found.image.width, "height": found.image.height}
        print(json.dumps({**size, "record": own, "texts": dict(found.texts)}))
        return 0
    print(describe_settings(asked.image))
    return 0


def describe_settings(image: Path) -> str:
    """The format and size of an image file, then its settings as text. Raises ImageError."""
    found = inspect_image_file(image)
    settings = parameters(found.record) if found.record else found.foreign.raw if found.foreign else _NO_SETTINGS
    return f"{found.image.format}, {found.image.width} x {found.image.height}\n{settings}"


def list_files(asked: argparse.Namespace, settings: Settings) -> int:
    """What there is to draw with."""
    rows = list_rows(settings, asked.kind)
    if asked.json:
        print(json.dumps(rows))
    else:
        print("\n".join(f"{row['kind']:12} {row['name']}" for row in rows))
    return 0


def list_rows(settings: Settings, kind: str | None = None) -> list[JsonObject]:
    """Everything in the user's folders, with samplers and noise schedules, or what is of one ``kind``."""
    inventory = Catalogue(settings).scan()
    rows: list[JsonObject] = [
        {"kind": entry.identity.kind, "name": entry.name, "family": entry.identity.family} for entry in inventory.entries
    ]
    for each, names in {"sampler": SCHEDULERS, "schedule": SCHEDULES}.items():
        rows.extend({"kind": each, "name": name} for name in names)
    return [row for row in rows if kind in (None, row["kind"])]


def plan(asked: argparse.Namespace, queue: Queue) -> int:
    """How an image would be made here."""
    print(json.dumps(queue.plan(read_request(asked)), indent=None if asked.json else 1))
    return 0


def jobs(asked: argparse.Namespace, queue: Queue) -> int:
    """The newest jobs, or the end of one."""
    if asked.stop:
        queue.stop(asked.stop)
        return 0
    found = queue.list_jobs(asked.limit)
    if asked.json:
        print(json.dumps(found))
        return 0
    for each in found:
        request = each.get("request")
        print(f"{each['id']}  {each['state']!s:10} {str(request.get('prompt') if isinstance(request, dict) else '')[:80]}")
    return 0


def quit_running(asked: argparse.Namespace, settings: Settings) -> int:
    """End the Easel that runs, once its picture is finished."""
    print("Easel has ended." if end_running(settings) else "No Easel runs here.")
    return 0


def key(asked: argparse.Namespace, settings: Settings) -> int:
    """Make, list or revoke a key."""
    if asked.action == "add":
        print(create_key(settings.data, asked.name))
    elif asked.action == "revoke":
        revoke_key(settings.data, asked.name)
    else:
        for name, each in read_keys(settings.data).items():
            print(f"{name}  made on {time.strftime('%Y-%m-%d', time.localtime(each.created))}")
    return 0
