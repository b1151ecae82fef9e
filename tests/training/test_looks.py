from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from training.looks import SHARE, compute_components, set_looks
from training.networks import Sizes, create_text_encoder
from training.tokenizer import prepare_tokenizer


def test_words_start_as_the_looks_of_what_they_name(tmp_path: Path) -> None:
    tokenizer = prepare_tokenizer(tmp_path)
    text_encoder = create_text_encoder(tokenizer, Sizes(text_width=64, text_layers=1))
    assert set_looks(text_encoder, tokenizer) > 700
    rows, width = text_encoder.get_input_embeddings().weight.detach(), int(SHARE * 64)

    def told(word: str) -> torch.Tensor:
        (token,) = tokenizer(word, add_special_tokens=False).input_ids
        return rows[token, :width]

    cat = torch.from_numpy(compute_components(width)["cat"].astype(np.float32))
    assert torch.equal(told("cat"), cat) and torch.equal(told("cats"), cat) and torch.equal(told("kitten"), cat)
    assert not torch.equal(told("dog"), cat) and torch.isfinite(rows).all()
