"""Embeddings of every saver are read, and their words win over the vocabulary, whole and in any spelling."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.checkpoints.adapters.embeddings import LearnedWord, add_words, read_embedding
from engine.checkpoints.library.entry import entry_for
from engine.prompt.encoding.text_encoders import text_parts
from engine.prompt.tokens import read_prompt
from tests.engine.checkpoints import tiny

WIDTH = tiny.WIDTH
VECTORS = torch.randn(2, WIDTH, generator=torch.Generator().manual_seed(5))


class OnAMac(torch.Tensor):
    """Pickled as torch 1.12 to 2.0 pickled tensors that lay on Apple's graphics cards (torch/_tensor.py, _reduce_ex_internal)."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        array = torch.Tensor(self).detach().clone().as_subclass(torch.Tensor).numpy()
        return torch._utils._rebuild_device_tensor_from_numpy, (array, torch.float32, "mps:0", False)


def in_a_parameter_dict(path: Path) -> None:
    """AUTOMATIC1111's program until 2023."""
    words = torch.nn.ParameterDict({"*": torch.nn.Parameter(VECTORS.clone())})
    torch.save({"string_to_token": {"*": 265}, "string_to_param": words, "name": "zorble", "step": 3}, path)


def on_a_mac(path: Path) -> None:
    torch.save({"string_to_param": {"*": VECTORS.clone().as_subclass(OnAMac)}, "name": "zorble"}, path)


def older_stream(path: Path) -> None:
    torch.save({"string_to_param": {"*": VECTORS.clone()}}, path, _use_new_zipfile_serialization=False)


def diffusers_bin(path: Path) -> None:
    torch.save({"<zorble>": VECTORS.clone()}, path)


@pytest.mark.parametrize("write", [in_a_parameter_dict, on_a_mac, older_stream, diffusers_bin])
def test_every_pickled_layout_is_read(write: Callable[[Path], None], tmp_path: Path) -> None:
    write(tmp_path / "zorble.pt")
    entry = entry_for(tmp_path / "zorble.pt")
    assert entry.identity.kind == "embedding" and entry.identity.reason.startswith("2 learned tokens")
    assert torch.equal(read_embedding(entry).vectors("clip_l", WIDTH), VECTORS)


def test_one_vector_alone_is_one_token(tmp_path: Path) -> None:
    """diffusers' textual_inversion.py: learned_embeds.bin."""
    torch.save({"<zorble>": VECTORS[0].clone()}, tmp_path / "learned_embeds.bin")
    entry = entry_for(tmp_path / "learned_embeds.bin")
    assert entry.identity.kind == "embedding" and entry.identity.reason.startswith("1 learned token,")
    assert torch.equal(read_embedding(entry).vectors("clip_l", WIDTH), VECTORS[:1])


def test_a_pickle_that_calls_something_is_refused_still(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return print, ("boom",)

    (tmp_path / "x.pt").write_bytes(pickle.dumps({"string_to_param": {"*": Bomb()}}, protocol=2))
    with pytest.raises(Exception, match=r"x\.pt"):
        entry_for(tmp_path / "x.pt")


def read(words: dict[str, int], prompt: str) -> list[str]:
    """The words of ``prompt`` as a checkpoint with the learned ``words`` reads them; those with a star."""
    learned = {name: LearnedWord(name, {"emb_params": torch.zeros(count, WIDTH)}) for name, count in words.items()}
    with add_words(learned, tiny.loaded("sd1")) as loaded:
        (part,) = text_parts(loaded)
        reading = read_prompt(prompt, part.tokenizer)
        table = part.encoder.get_input_embeddings().get_parameter("weight")
        vocabulary = part.tokenizer.backend.get_vocab_size()
        assert table.shape[0] == vocabulary + sum(words.values()) == part.tokenizer.size
        assert max((token.id for token in reading.tokens), default=0) < table.shape[0]
        return [f"{word.tokens[0].text}{'*' * sum(token.id >= vocabulary for token in word.tokens)}" for word in reading.words]


@pytest.mark.parametrize(
    ("words", "prompt", "expected"),
    [
        ({"anna": 1, "style": 2}, "anna in a style", ["anna*", "in", "a", "style**"]),
        ({"neg": 1}, "a negative neg", ["a", "negative", "neg*"]),
        ({"x": 2, "x_1": 1}, "x and x_1", ["x**", "and", "x_1*"]),
        ({"Zorble": 1}, "a ZORBLE, (zorble:1.2)", ["a", "ZORBLE*", ",", "zorble*"]),
        ({"my(emb)": 1}, r"my\(emb\) here", ["my(emb)*", "here"]),
        ({"zorble": 1}, "embedding:zorble", ["zorble*"]),
        ({"zorble": 1}, "embedding:zorble.pt, (Embedding:zorble.safetensors:1.2)", ["zorble*", ",", "zorble*"]),
        ({"zorble": 1}, r"embedding:xl/bad/zorble embedding:xl\zorble.", ["zorble*", "zorble*", "."]),
        ({"style": 1}, "ſtyle STYLE", ["ſtyle*", "STYLE*"]),
        ({"İx": 1, "σ": 1}, "ix ς Σ", ["ix*", "ς*", "Σ*"]),
        ({"e\u0301": 1}, "\xe9 e\u0301 E\u0301", ["\xe9*", "e\u0301*", "E\u0301*"]),
        ({"\xe9": 2}, "e\u0301", ["e\u0301**"]),
        ({"bad-hands": 1, "bad-hands-5": 1}, "bad-hands-5, bad-hands", ["bad-hands-5*", ",", "bad-hands*"]),
    ],
)
def test_a_learned_word_is_read_whole_and_before_the_vocabulary(words: dict[str, int], prompt: str, expected: list[str]) -> None:
    assert read(words, prompt) == expected


@pytest.mark.parametrize("prompt", ["zorbles", "azorble", "zorble_2", "zorble-ish", "un-zorble", "zorble\u0301"])
def test_part_of_a_longer_word_is_not_the_learned_one(prompt: str) -> None:
    assert not any("*" in word for word in read({"zorble": 1}, prompt))


def test_the_checkpoint_is_as_before_afterwards() -> None:
    loaded = tiny.loaded("sd1")
    assert loaded.text_encoder is not None
    before = loaded.text_encoder.get_input_embeddings()
    with add_words({"zorble": LearnedWord("zorble", {"emb_params": VECTORS})}, loaded) as changed:
        assert changed.learned == {"text_encoder": (("zorble", 2),)}
    assert loaded.text_encoder.get_input_embeddings() is before and loaded.learned == {}
