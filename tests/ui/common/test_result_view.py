"""The image's half of the page as HTML."""

from __future__ import annotations

import dataclasses
import io
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from engine.events import Result
from engine.records import outputs
from engine.requests import DescribeImage, ExecutionPlan, ImageToImage, Request, Resolved, TextToImage, Upscale, complete
from engine.requests.kinds import kind_of
from ui import messages
from ui.common import result_view, send_to
from ui.common.job_view import IDLE, View


class Checked(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(str(html))
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def saved(folder: Path, prompt: str = "a cat", index: int = 0) -> Result:
    request = TextToImage(
        prompt=prompt, seed=7, steps=20, guidance_scale=5.0, scheduler="DDIM", checkpoint="starter", width=64, height=48
    )
    resolved = Resolved(request=request, plan=ExecutionPlan(), threads=1)
    path = outputs.save(Image.new("RGB", (64, 48)), resolved, outputs=folder, job="job", index=index)
    return Result(path=path, seed=7, width=64, height=48, seconds=2.34)


def test_a_stage_without_images_is_empty(tmp_path: Path) -> None:
    shown = Checked(result_view.render_stage(IDLE, tmp_path))
    assert {"class": "frame empty"} in shown.all("div") and not shown.all("img") and not shown.text


def test_a_finished_picture_comes_with_its_seed_and_settings(tmp_path: Path) -> None:
    result = saved(tmp_path)
    shown = Checked(result_view.render_stage(View(results=(result,)), tmp_path))
    address = f"/pictures/{result.path.relative_to(tmp_path).as_posix()}"
    assert [image["src"] for image in shown.all("img")] == [address]
    assert [link["href"] for link in shown.all("a") if "download" in link] == [address]
    for fact in ("Seed7", "Size64 × 48", "Steps20", "CFG scale5", "SamplerDDIM", "Checkpointstarter", "Time2.3 s"):
        assert fact in shown.text
    sent = [button["data-send"] for button in shown.all("button") if "data-send" in button]
    assert sent == [*(target.event for target in send_to.TARGETS.values()), send_to.MARK_IMAGE]
    assert [button["data-what"] for button in shown.all("button") if "data-what" in button] == ["reuse", "vary", "keep_seed"]
    (menu,) = shown.all("details")
    assert [button["data-copy"] for button in shown.all("button") if "data-copy" in button] == ["a cat"] and menu


def test_what_a_person_typed_is_text_and_never_markup(tmp_path: Path) -> None:
    hostile = "\"><script>alert(1)</script><img src=x onerror='a'>"
    view = View(results=(saved(tmp_path, hostile),), notices=(hostile,), trouble=hostile)
    shown = Checked(result_view.render_stage(view, tmp_path))
    assert not shown.all("script") and len(shown.all("img")) == 1
    assert shown.all("img")[0]["alt"] == hostile and shown.text.count(hostile) == 2


def test_a_batch_and_what_was_made_before_lie_in_one_strip(tmp_path: Path) -> None:
    batch, earlier = (saved(tmp_path), saved(tmp_path, index=1)), saved(tmp_path, "a dog", index=2)
    shown = Checked(result_view.render_stage(View(results=batch, earlier=(earlier,)), tmp_path))
    names = [figure["data-name"] for figure in shown.all("figure")]
    assert names == [button["data-show"] for button in shown.all("button") if "data-show" in button] and len(names) == 3
    assert names[2] == earlier.path.relative_to(tmp_path).as_posix()
    alone = Checked(result_view.render_stage(View(results=batch[:1]), tmp_path))
    assert len(alone.all("figure")) == 1 and not [each for each in alone.all("button") if "data-show" in each]


def test_a_step_changes_the_progress_and_nothing_of_what_is_finished(tmp_path: Path) -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (32, 16)).save(jpeg, "JPEG")
    made = {"running": True, "results": (saved(tmp_path),)}
    view = View(status="Step 5 of 20", left="about 3 s left", share=0.25, preview=jpeg.getvalue(), **made)
    shown = Checked(result_view.render_progress(view))
    (preview,) = shown.all("img")
    assert str(preview["src"]).startswith("data:image/jpeg;base64,")
    assert {"style": "--ratio: 2.0000", "class": "frame"} in shown.all("div")
    assert [bar["aria-valuenow"] for bar in shown.all("div") if bar.get("role") == "progressbar"] == ["25"]
    assert "Step 5 of 20" in shown.text and "about 3 s left" in shown.text
    assert view.outcome == View(status="Step 6 of 20", **made).outcome
    assert result_view.render_stage(view, tmp_path) == result_view.render_stage(view.outcome, tmp_path)
    assert not result_view.render_progress(View(status=messages.STOPPED))


@pytest.mark.parametrize("view", [View(trouble="The disk is full."), View(status=messages.STOPPED)])
def test_how_a_job_ended_is_said(view: View, tmp_path: Path) -> None:
    assert (view.trouble or view.status) in Checked(result_view.render_stage(view, tmp_path)).text


def test_a_picture_that_was_moved_away_is_said(tmp_path: Path) -> None:
    result = saved(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    assert messages.IMAGE_GONE in result_view.render_stage(View(results=(result,)), elsewhere)
    result.path.unlink()
    assert messages.IMAGE_GONE in result_view.render_stage(View(results=(result,)), tmp_path)


def test_a_picture_without_a_record_is_shown_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "plain.png"
    Image.new("RGB", (8, 8)).save(path)
    assert send_to.read_request(path) is None
    assert "/pictures/plain.png" in result_view.render_stage(
        View(results=(Result(path=path, seed=1, width=8, height=8, seconds=0),)), tmp_path
    )


def test_settings_without_effect_are_not_listed() -> None:
    made = complete(
        TextToImage(prompt="a cat"), checkpoint="mine", width=64, height=48, steps=9, guidance_scale=4.0, scheduler="DDIM", seed=7
    )
    listed = dict(result_view.list_settings(made))
    assert listed == {"Checkpoint": "mine", "Steps": "9", "CFG scale": "4", "Sampler": "DDIM", "Seed": "7"}
    assert dict(result_view.list_settings(dataclasses.replace(made, clip_skip=2))) == {**listed, "Clip skip": "2"}


IMAGE = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "request_",
    [
        ImageToImage(prompt="a cat", init_image=IMAGE, mask_image=IMAGE, depth_image=IMAGE, strengths=(0.25, 0.5)),
        Upscale(images=(IMAGE, IMAGE[::-1]), factor=2.5),
        DescribeImage(image=IMAGE),
    ],
    ids=kind_of,
)  # fmt: skip
def test_every_setting_is_shown_as_people_write_it(request_: Request) -> None:
    listed = dict(result_view.list_settings(request_))
    assert listed
    for label, value in listed.items():
        assert IMAGE not in value and not set("()[]{}'\"") & set(value), f"{label}: {value}"
        assert value not in ("True", "False", "None"), label
    other = {field.name: True for field in dataclasses.fields(request_) if isinstance(field.default, bool)}
    for label, *values in result_view.find_differences(request_, dataclasses.replace(request_, **other)):
        assert set(values) <= {messages.YES, messages.NO}, label
