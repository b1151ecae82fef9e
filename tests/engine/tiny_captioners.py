"""Captioners with tiny random networks, as transformers and the ONNX package write them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BartConfig,
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    CLIPImageProcessor,
    Florence2Config,
    Florence2ForConditionalGeneration,
    Florence2Processor,
    PreTrainedTokenizerFast,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "<image>", "a", "red", "apple", "on", "the", "table", "sky"]
"""A vocabulary that begins with special tokens."""

TAGS = (("general", 9), ("1girl", 0), ("red_hair", 0), ("miku_(singer)", 4), ("^_^", 0), ("outdoors", 0))
"""Tags of a tiny tagger, with their categories."""


def create_blip(folder: Path) -> Path:
    """A BLIP for captions."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    shared = {"hidden_size": 16, "intermediate_size": 16, "projection_dim": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**shared, "vocab_size": len(WORDS), "encoder_hidden_size": 16, "max_position_embeddings": 256, "bos_token_id": 5,
            "pad_token_id": 0, "eos_token_id": 3, "sep_token_id": 3}  # fmt: skip
    vision = {**shared, "image_size": 32, "patch_size": 16}
    torch.manual_seed(0)
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=8, image_text_hidden_size=8)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    processor = BlipImageProcessor(size={"height": 32, "width": 32})
    BlipProcessor(processor, BertTokenizer(str(folder / "vocab.txt"), bos_token="[DEC]")).save_pretrained(folder)
    return folder


def create_florence(folder: Path) -> Path:
    """A Florence-2 in transformers' own form."""
    folder.mkdir(parents=True)
    vision = {"depths": [1], "patch_size": [7], "patch_stride": [4], "patch_padding": [3], "patch_prenorm": [False],
              "embed_dim": [16], "num_heads": [2], "num_groups": [2], "window_size": 4, "projection_dim": 16}  # fmt: skip
    text = BartConfig(
        vocab_size=len(WORDS), d_model=16, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16,
        encoder_attention_heads=2, decoder_attention_heads=2, pad_token_id=0, bos_token_id=2, eos_token_id=3,
        decoder_start_token_id=3, forced_eos_token_id=3,
    )  # fmt: skip
    torch.manual_seed(0)
    config = Florence2Config(text_config=text.to_dict(), vision_config=vision, image_token_id=WORDS.index("<image>"))
    network = Florence2ForConditionalGeneration(config)
    network.generation_config.min_new_tokens = 4
    network.save_pretrained(folder)
    plain = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="[PAD]", unk_token="[UNK]", bos_token="[CLS]", eos_token="[SEP]",
        extra_special_tokens={"image_token": "<image>"},
    )  # fmt: skip
    processor = CLIPImageProcessor(
        size={"height": 32, "width": 32}, crop_size={"height": 32, "width": 32}, image_seq_length=65,
    )  # fmt: skip
    Florence2Processor(processor, tokenizer).save_pretrained(folder)
    return folder


def create_tagger(path: Path, *, side: int = 8, tags: Sequence[tuple[str, int]] = TAGS, shape: Sequence[int | str] = ()) -> Path:
    """A tagger whose first tags see blue, and the last ones red. ``shape`` is that of its input."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = np.zeros((3, len(tags)), np.float32)
    colours[0, : len(tags) // 2], colours[2, len(tags) // 2 :] = 1 / 32, 1 / 32
    helper = onnx.helper
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["input", "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "colours"], ["logits"]),
            helper.make_node("Add", ["logits", "shift"], ["shifted"]),
            helper.make_node("Sigmoid", ["shifted"], ["scores"]),
        ],
        "tagger",
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, list(shape) or ["batch", side, side, 3])],
        [helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["batch", len(tags)])],
        [
            onnx.numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
            onnx.numpy_helper.from_array(colours, "colours"),
            onnx.numpy_helper.from_array(np.full(len(tags), -6, np.float32), "shift"),
        ],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    write_tag_list(path.parent / "selected_tags.csv", tags)
    return path


def write_tag_list(path: Path, tags: Sequence[tuple[str, int]]) -> None:
    """The list of tags, as it is published with a tagger."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["tag_id", "name", "category", "count"])
        rows.writerows([number, name, category, 1000] for number, (name, category) in enumerate(tags))
