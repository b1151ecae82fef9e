"""The names and hashes that the settings of an image are compared with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from safetensors.numpy import save, save_file

from engine.records.foreign import readers
from engine.settings import Settings
from ui.common.checkpoint_options import CheckpointOptions

WEIGHTS = {
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight": np.zeros((4, 320), np.float32),
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight": np.zeros((320, 4), np.float32),
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.alpha": np.array(4.0, np.float32),
}


def test_a_lora_is_found_by_the_hash_that_its_trainer_wrote(tmp_path: Path) -> None:
    raw = save(WEIGHTS)
    digest = hashlib.sha256(raw[8 + int.from_bytes(raw[:8], "little") :]).hexdigest()
    (tmp_path / "models" / "loras").mkdir(parents=True)
    metadata = {"ss_base_model_version": "sd_v1-5", "sshs_model_hash": digest}
    save_file(WEIGHTS, tmp_path / "models" / "loras" / "renamed.safetensors", metadata)
    options = CheckpointOptions(Settings(data=tmp_path / "data", models=tmp_path / "models", outputs=tmp_path / "outputs"))
    names = options.list_names()
    assert list(names["loras"]) == ["renamed"] and names["lora_hashes"] == {digest: "renamed"}
    text = f'a fox <lora:ink:0.8>\nSteps: 20, Seed: 1, Lora hashes: "ink: {digest[:12]}"'
    record = readers.read_fields({"parameters": text})
    assert record is not None
    request, notes = readers.to_request(record, loras=names["loras"], lora_hashes=names["lora_hashes"])
    assert request.prompt == "a fox <lora:renamed:0.8>" and not notes
