"""The commands that make nothing: ``info``, ``list``, ``plan``, ``jobs`` and ``key``."""

from __future__ import annotations

import argparse
import json
import time

from api.keys import create_key, read_keys, revoke_key
from cli.making import read_request
from cli.queues import Queue
from engine.checkpoints.library.catalogue import Catalogue
from engine.generate.samplers import SCHEDULERS, SCHEDULES
from engine.json_values import JsonObject
from engine.records.inspect_file import inspect_image_file
from engine.records.record import parameters, to_text
from engine.settings import Settings

_NO_SETTINGS = "There are no settings in this picture."


def info(asked: argparse.Namespace, settings: Settings) -> int:
    """The settings in an image file."""
    found = inspect_image_file(asked.image)
    if asked.json:
        own = json.loads(to_text(found.record)) if found.record else None
        size = {"width": found.image.width, "height": found.image.height}
        print(json.dumps({**size, "record": own, "texts": dict(found.texts)}))
        return 0
    print(f"{found.image.format}, {found.image.width} x {found.image.height}")
    print(parameters(found.record) if found.record else found.foreign.raw if found.foreign else _NO_SETTINGS)
    return 0


def list_files(asked: argparse.Namespace, settings: Settings) -> int:
    """What there is to draw with."""
    inventory = Catalogue(settings).scan()
    rows: list[JsonObject] = [
        {"kind": entry.identity.kind, "name": entry.name, "family": entry.identity.family} for entry in inventory.entries
    ]
    for kind, names in {"sampler": SCHEDULERS, "schedule": SCHEDULES}.items():
        rows.extend({"kind": kind, "name": name} for name in names)
    rows = [row for row in rows if asked.kind in (None, row["kind"])]
    if asked.json:
        print(json.dumps(rows))
    else:
        print("\n".join(f"{row['kind']:12} {row['name']}" for row in rows))
    return 0


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
