"""What the page says before Generate is pressed."""

from __future__ import annotations

import dataclasses
import json
import re
import struct
from pathlib import Path

from engine.checkpoints.library.entry import entry_for
from engine.descriptions import EngineDescription
from engine.generate.estimate import Estimate
from engine.plan.hardware.facts import to_text
from engine.plan.learned import LearnedFacts
from engine.plan.timing import TimingKey, learn_timing
from engine.requests import Control, TextToImage
from engine.settings import Settings
from tests.engine.checkpoints import tiny
from tests.engine.plan.conftest import card
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.estimate import EstimateService, render_estimate


def test_what_does_not_fit_is_said_with_what_would() -> None:
    said = render_estimate(Estimate(need=9 << 30, free=1 << 30, refusal="It needs 9.0 GB of memory & 512 x 512 would fit."), 1)
    assert "does not fit into memory" in said and "512 x 512 would fit" in said and "&amp;" in said
    assert 'class="outlook refused"' in said


def test_what_fits_is_said_with_how_long_it_takes() -> None:
    said = render_estimate(Estimate(need=1 << 30, free=9 << 30, measures=("Decoded in tiles.",), seconds=2.0), 3)
    assert "not fit" not in said and "1.0 GB" in said and "Decoded in tiles." in said and "all 3" in said


def write_large_control(path: Path, numbers: int) -> None:
    """A ControlNet of the tiny checkpoint with so many numbers, in a file without blocks on the disk."""
    prefix = "control_model."
    shapes: dict[str, list[int]] = {
        f"{prefix}zero_convs.{index}.0.weight": [width, 1] for index, width in enumerate((32, 32, 32, 64))
    }
    shapes |= {
        f"{prefix}input_blocks.0.0.weight": [32, 4, 3, 3], f"{prefix}x.attn2.to_k.weight": [1, tiny.WIDTH],
        f"{prefix}large": [numbers],
    }  # fmt: skip
    header: dict[str, object] = {}
    end = 0
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    written = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(written)) + written)
        file.truncate(8 + len(written) + end)


def test_a_control_counts_in_memory_and_time(tmp_path: Path) -> None:
    settings = Settings(models=tmp_path / "models", data=tmp_path / "data", outputs=tmp_path / "outputs")
    tiny.pipeline("sd1").save_pretrained(settings.models / "sd1")
    write_large_control(settings.models / "scribble.safetensors", 10**9)
    hardware = card()
    described = EngineDescription(device="x", hardware=to_text(hardware))
    course = TimingKey(width=64, height=64, steps=20)
    notes = LearnedFacts(settings.data / "learnt.json")
    learn_timing(notes, entry_for(settings.models / "sd1").hash, hardware.device, course, stepping=600.0, rest=0.0)
    asked = TextToImage(prompt="a cat", checkpoint="sd1", width=64, height=64, steps=20)

    def estimate(*controls: Control) -> tuple[float, str]:
        """Gigabytes, and the words on the time."""
        service = EstimateService(settings, CheckpointOptions(settings))
        said = service.estimate(dataclasses.replace(asked, controls=controls), described)
        found = re.search(r"about ([\d.]+) GB.*?A picture takes (.*?),", said)
        assert found, said
        return float(found[1]), found[2]

    plain, with_control = estimate(), estimate(Control(model="scribble"))
    assert with_control[0] - plain[0] > 1.5 and with_control[1] != plain[1]
    assert estimate(Control(model="scribble", weight=0)) == plain
