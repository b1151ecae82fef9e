from __future__ import annotations

from pathlib import Path

import pytest
from transformers import CLIPTokenizer

from training.captions import list_words
from training.tokenizer import MAX_LENGTH, SUFFIX, learn_merges, load_tokenizer, write_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return load_tokenizer(folder)


def is_known(tokenizer: CLIPTokenizer, word: str) -> bool:
    return tokenizer.tokenize(word) == [word + SUFFIX]


def test_every_known_word_is_one_token_and_comes_back(tokenizer: CLIPTokenizer) -> None:
    for word in list_words():
        assert is_known(tokenizer, word), word
        assert tokenizer.decode(tokenizer(word).input_ids, skip_special_tokens=True) == word


@pytest.mark.parametrize("word", ["pangolin", "catt", "xylophone", "schön", "猫", "🐱"])
def test_an_unknown_word_can_be_told(tokenizer: CLIPTokenizer, word: str) -> None:
    assert not is_known(tokenizer, word)


def test_capitals_and_commas_do_not_matter(tokenizer: CLIPTokenizer) -> None:
    assert tokenizer.tokenize("A Cat, beach") == ["a</w>", "cat</w>", ",</w>", "beach</w>"]


def test_the_pipeline_pads_with_the_end_token_to_its_length(tokenizer: CLIPTokenizer) -> None:
    numbers = tokenizer("a cat", padding="max_length", truncation=True).input_ids
    assert tokenizer.model_max_length == MAX_LENGTH == len(numbers)
    assert numbers[0] == tokenizer.bos_token_id and set(numbers[3:]) == {tokenizer.eos_token_id}


def test_merges_make_each_word_whole_even_where_words_share_pieces() -> None:
    words = ["cat", "scat", "at", "cats", "tat"]
    merges = learn_merges(words)
    for word in words:
        pieces = [*word[:-1], word[-1] + "</w>"]
        for pair in merges:
            place = 0
            while place + 1 < len(pieces):
                if (pieces[place], pieces[place + 1]) == pair:
                    pieces[place : place + 2] = ["".join(pair)]
                place += 1
        assert pieces == [word + "</w>"]
