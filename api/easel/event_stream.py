"""A job's events as server-sent events that a client can take up again where it lost them.

The journal keeps what matters of a job's past, but not each event. So an event's id says what its reader has received by then:
the attempt, how many notices, how many images, and whether the depth map. ``Last-Event-ID`` brings it back, and past events that
it covers are not sent again. Steps are not repeated; the newest one is sent.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from api.context import ApiContext
from api.easel.models import locate_image
from api.images import write_base64
from api.job_events import watch
from engine.events import Described, Event, Failed, Finished, Guided, ImageSaved, Loading, Notice, Queued, Started, Step
from engine.json_values import JsonObject
from engine.requests import resolved_to_json

HEARTBEAT_SECONDS = 15.0
"""How often a comment is sent while nothing happens, so that proxies keep the connection and lost clients are noticed."""

_ID = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})\.([01])")


@dataclass(frozen=True)
class Received:
    """What a client has received of a job."""

    attempt: int = 0
    notices: int = 0
    images: int = 0
    depth: bool = False

    def __str__(self) -> str:
        return f"{self.attempt}.{self.notices}.{self.images}.{int(self.depth)}"


def read_id(text: str | None) -> Received | None:
    """What an id says; None for one that Easel did not write."""
    found = _ID.fullmatch(text or "")
    return Received(int(found[1]), int(found[2]), int(found[3]), found[4] == "1") if found else None


class _Counter:
    """Numbers the events of one connection, and knows which of them its client has from an earlier one."""

    def __init__(self, before: Received | None) -> None:
        self._is_first = before is None
        self._before, self.now = before or Received(), Received()
        self._notices: set[str] = set()

    def is_new(self, event: Event) -> bool:
        """Count ``event``; whether its client has not received it before."""
        now, before = self.now, self._before
        match event:
            case Queued():
                return self._is_first
            case Started():
                self.now = dataclasses.replace(now, attempt=event.attempt)
                return event.attempt > max(before.attempt, now.attempt)
            case Notice():
                # An event that happened while the journal was read is in both. A job says nothing twice.
                self._notices.add(event.text)
                self.now = dataclasses.replace(now, notices=len(self._notices))
                return self.now.notices > max(before.notices, now.notices)
            case ImageSaved():
                self.now = dataclasses.replace(now, images=max(now.images, event.index + 1))
                return event.index >= max(before.images, now.images)
            case Guided():
                self.now = dataclasses.replace(now, depth=True)
                return not (before.depth or now.depth)
            case _:
                return True


async def stream_events(context: ApiContext, job: str, last_event_id: str | None) -> AsyncGenerator[str]:
    """The events of a job in the format of server-sent events, until its last. The job goes on if the client goes away."""
    counter = _Counter(read_id(last_event_id))
    async with watch(context, job) as events:
        while events.last is None:
            taken = await events.take(HEARTBEAT_SECONDS)
            if not taken:
                yield ": still here\n\n"
            for event in filter(counter.is_new, taken):
                kind, fields = _describe(event)
                yield f"id: {counter.now}\nevent: {kind}\ndata: {json.dumps({'job': job, **fields})}\n\n"


def _describe(event: Event) -> tuple[str, JsonObject]:
    """An event's name, and its fields."""
    match event:
        case Queued():
            return "queued", {"ahead": event.ahead}
        case Started():
            return "started", {"attempt": event.attempt}
        case Loading():
            return "loading", {"checkpoint": event.checkpoint, "text": event.text, "share": event.share}
        case Notice():
            return "notice", {"text": event.text}
        case Described():
            return "described", {"words": event.words, "resolved": resolved_to_json(event.resolved)}
        case Guided():
            return "guided", {"depth": event.depth}
        case Step():
            preview = write_base64(event.preview) if event.preview else None
            return "step", {
                "index": event.index, "count": event.count, "step": event.step, "steps": event.steps, "unit": event.unit,
                "seconds_left": event.seconds_left, "preview": preview,
            }  # fmt: skip
        case ImageSaved():
            r = event.result
            return "image", {
                "index": event.index, "url": locate_image(event.job, event.index), "seed": r.seed, "width": r.width,
                "height": r.height, "seconds": r.seconds,
            }  # fmt: skip
        case Finished():
            return "finished", {"images": len(event.results)}
        case Failed():
            return "failed", {"kind": event.kind, "message": event.message}
        case _:
            return "cancelled", {}
