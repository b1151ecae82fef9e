"""The settings of an image go back into the form as they were drawn, or with the texts that they were drawn from."""

from __future__ import annotations

from engine.records.recall import Recalled
from engine.requests import ResolvedTextToImage
from ui.common.send_to import has_template
from ui.tabs.image_info import tab

DRAWN = ResolvedTextToImage(
    prompt="a red cat", prompt_template="a {red|blue} cat", negative_template="", checkpoint="x", width=64, height=64, steps=4,
    guidance_scale=7.5, scheduler="Euler", seed=1, clip_skip=0,
)  # fmt: skip


def test_prompts_go_back_as_drawn_or_with_all_their_variants() -> None:
    recalled = Recalled(DRAWN, "Easel")
    assert has_template(DRAWN) and tab._take_recalled(recalled) is recalled
    restored = tab._take_with_templates(recalled)
    assert restored is not None and restored.request.prompt == "a {red|blue} cat" and not has_template(restored.request)
    assert tab._take_with_templates(None) is None
