"""Tokenizers for all tests of the prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.prompt.tokenizer import PromptTokenizer, load_tokenizer

HOUSE = Path(__file__).resolve().parents[3]
CLIP = HOUSE / "engine" / "checkpoints" / "configs" / "clip_tokenizer"
STARTER = HOUSE / "models" / "starter" / "tokenizer"


@pytest.fixture(scope="session")
def clip() -> PromptTokenizer:
    """CLIP's whole vocabulary."""
    return load_tokenizer(CLIP)


@pytest.fixture(scope="session")
def starter() -> PromptTokenizer:
    """The starter's small vocabulary of whole words."""
    return load_tokenizer(STARTER)
