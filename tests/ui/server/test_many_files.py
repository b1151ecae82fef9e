"""200 files that are dropped at once, through the real door: each has an outcome that is seen, and what is not taken is said."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from engine.events import Finished
from engine.jobs import Jobs
from engine.json_values import JsonObject, JsonValue
from engine.requests import Upscale
from engine.settings import Settings
from tests.ui.server.test_body_budget import read_peak
from ui import messages, sentences
from ui.server.serve import Studio, serve

COUNT = 200


class Page:
    """The page as a browser asks it, over real HTTP."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client
        config = client.get("/config").json()
        self._components = {each["id"]: each["props"] for each in config["components"]}
        self._events = config["dependencies"]

    def upload(self, files: dict[str, bytes]) -> list[JsonValue]:
        """The files as an event takes them."""
        sent = [("files", (name, content)) for name, content in files.items()]
        paths = self._client.post("/gradio_api/upload", files=sent).raise_for_status().json()
        assert len(paths) == len(files)
        meta: JsonObject = {"_type": "gradio.FileData"}
        return [{"path": path, "orig_name": name, "meta": meta} for path, name in zip(paths, files, strict=True)]

    def fire(self, element: str, event: str, value: JsonValue, data: JsonValue = None) -> str:
        """What the first listener of an element's event answers when the file list ``element`` names holds ``value``."""
        found = next(each for each in self._events if (self._find(element), event) in map(tuple, each["targets"]))
        return self._run(found, {self._find(element): value}, data)

    def generate(self, files: str, value: JsonValue) -> str:
        """What the button that takes ``files`` answers."""
        number = self._find(files)
        found = next(e for e in self._events if number in e["inputs"] and any(name == "click" for _, name in e["targets"]))
        return self._run(found, {number: value})

    def list_file_choosers(self) -> dict[str, str]:
        """Every place for files, and whether it takes one or several."""
        return {str(p["elem_id"]): str(p["file_count"]) for p in self._components.values() if "file_count" in p}

    def _find(self, element: str) -> int:
        return next(number for number, props in self._components.items() if props.get("elem_id") == element)

    def _run(self, event: JsonObject, values: dict[int, JsonValue], data: JsonValue = None) -> str:
        assert isinstance(event["inputs"], list)
        inputs = [values.get(each, self._components[each].get("value")) for each in event["inputs"] if isinstance(each, int)]
        body = {"data": inputs, "fn_index": event["id"], "session_hash": "many", "event_data": data}
        self._client.post("/gradio_api/queue/join", json=body).raise_for_status()
        stream = self._client.get("/gradio_api/queue/data", params={"session_hash": "many"}).text
        (done,) = (json.loads(line[6:]) for line in stream.splitlines() if '"process_completed"' in line)
        assert done["success"], done
        return json.dumps(done["output"]["data"], ensure_ascii=False)


@pytest.fixture(scope="module")
def studio(settings: Settings, jobs: Jobs) -> Iterator[Studio]:
    with serve(settings, jobs, port=0) as served:
        yield served


@pytest.fixture(scope="module")
def page(studio: Studio) -> Iterator[Page]:
    with httpx.Client(base_url=studio.url, timeout=300) as client:
        yield Page(client)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """As many as are dropped, each of another colour; all names say which."""
    folder = tmp_path_factory.mktemp("dropped")
    for number in range(COUNT):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(folder / f"{number:03}.png")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def uploaded(page: Page, pictures: dict[str, bytes]) -> list[JsonValue]:
    return page.upload(pictures)


def test_no_place_drops_files_without_a_word(page: Page) -> None:
    """Gradio uploads all that are dropped where one is expected, shows the first and says nothing."""
    choosers = page.list_file_choosers()
    assert {"info-file", "upscale-files", "sketch-depth"} <= set(choosers) and "single" not in choosers.values()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
def test_they_arrive_as_they_are_and_take_no_memory(page: Page, pictures: dict[str, bytes]) -> None:
    padding = bytes(2**17)
    page.upload({"warm.png": padding})
    Path("/proc/self/clear_refs").write_text("5")
    before = read_peak()
    sent = {name: content + padding for name, content in pictures.items()}
    came = page.upload(sent)
    assert read_peak() - before < 96 * 2**20, "this test holds them all itself, twice"
    assert [Path(str(each["path"])).read_bytes() for each in came if isinstance(each, dict)] == list(sent.values())


def test_image_info_shows_each_of_them(page: Page, uploaded: list[JsonValue]) -> None:
    assert sentences.dropped_files(COUNT, "000.png") in page.fire("info-file", "change", uploaded)
    for index in (0, 7, COUNT - 1):
        shown = page.fire("info-file", "select", uploaded, {"index": index, "value": f"{index:03}.png"})
        assert sentences.dropped_files(COUNT, f"{index:03}.png") in shown and "16 × 16" in shown
    odd_ones: list[JsonValue] = [COUNT, -1, None, "a", [1]]
    for odd in odd_ones:
        assert "000.png" in page.fire("info-file", "select", uploaded, {"index": odd, "value": ""})
    assert messages.DROP_HINT in page.fire("info-file", "change", None)


def test_a_broken_one_among_them_is_named_and_the_others_are_shown(page: Page, uploaded: list[JsonValue]) -> None:
    mixed = [*page.upload({"no picture.png": b"nothing"}), *uploaded]
    said = page.fire("info-file", "change", mixed)
    assert sentences.dropped_files(COUNT + 1, "no picture.png") in said and "not a picture" in said
    assert "16 × 16" in page.fire("info-file", "select", mixed, {"index": COUNT, "value": ""})


def test_a_depth_map_is_one_and_that_is_said(page: Page, uploaded: list[JsonValue]) -> None:
    kept = page.fire("sketch-depth", "change", uploaded)
    assert "000.png" in kept and "001.png" not in kept


def test_all_are_upscaled_each_once(page: Page, uploaded: list[JsonValue], jobs: Jobs, settings: Settings) -> None:
    assert str(COUNT) in page.fire("upscale-files", "change", uploaded), "the estimate counts them all"
    page.generate("upscale-files", uploaded)
    (job,) = jobs.jobs(limit=1)
    assert isinstance(job.request, Upscale) and len(set(job.request.images)) == COUNT
    assert isinstance(list(jobs.watch(job.id))[-1], Finished)
    assert len({result.path for result in jobs.state(job.id).results if result.path.is_file()}) == COUNT


def test_those_that_cannot_be_upscaled_are_all_named(page: Page, uploaded: list[JsonValue], jobs: Jobs) -> None:
    before = jobs.jobs(limit=1)
    broken = page.upload({"a.txt": b"a", "b.txt": b"b", "c.png": b""})
    said = page.generate("upscale-files", [*uploaded[:100], *broken, *uploaded[100:]])
    assert sentences.unusable_files(["a.txt", "b.txt", "c.png"]) in said
    said = page.generate("upscale-files", [*uploaded, broken[0]])
    assert "“a.txt” cannot be upscaled" in said
    assert jobs.jobs(limit=1) == before


def test_more_than_one_upload_may_bring_is_refused_in_a_sentence(studio: Studio) -> None:
    files = [("files", (f"{number}.png", b"x")) for number in range(1001)]
    answer = httpx.post(f"{studio.url}/gradio_api/upload", files=files, timeout=300)
    assert answer.status_code == 400 and "Maximum number of files is 1000" in answer.text
