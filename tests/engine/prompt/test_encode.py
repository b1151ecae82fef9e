"""Encodings against plain reference computations and against diffusers' own, on real text encoders of all layouts."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from transformers import CLIPTokenizer

from engine.prompt.encoding.encode import PromptEncodings, encode_pair
from engine.prompt.encoding.text_encoders import EncodingCache
from engine.prompt.terms import find_terms
from tests.engine.prompt.pipelines import PROJECTED, WIDTH, encoders_of, pipeline, text_encoder

PARTS = {
    "sd1": ("text_encoder",),
    "sd2": ("text_encoder",),
    "xl": ("text_encoder", "text_encoder_2"),
    "refiner": ("text_encoder_2",),
}
LAYOUTS = tuple(PARTS)
PROMPT, NEGATIVE = "a photo of a cat, sitting on the beach", "ugly, blurry, dog"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def encoded(layout: Any, prompt: str, negative: str = "", *, steps: int = 1, skip: int = 0, **more: Any) -> PromptEncodings:
    """``encode_pair`` with a fresh cache, unless one is given."""
    made = pipeline(layout) if isinstance(layout, str) else layout
    options = {"guidance": True, "cache": EncodingCache(), **more}
    return encode_pair(encoders_of(made), prompt, negative, steps=steps, clip_skip=skip, **options)


def equal(one: PromptEncodings, other: PromptEncodings, step: int = 0) -> bool:
    """Whether prompt and negative are the same to the bit."""
    pairs = zip(one.at(step), other.at(step), strict=True)
    return all((a is None and b is None) or torch.equal(a, b) for a, b in pairs)


def run(made: Any, part: str, ids: list[int]) -> Any:
    """One plain run of a text encoder."""
    with torch.inference_mode():
        return getattr(made, part)(torch.tensor([ids]), output_hidden_states=True)


def ids_of(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    return tokenizer(text, padding="max_length", max_length=77, truncation=False).input_ids


# --- As diffusers does it -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_plain_prompt_is_what_diffusers_gives(layout: str) -> None:
    made = pipeline(layout)
    with torch.inference_mode():
        theirs = made.encode_prompt(
            prompt=PROMPT, negative_prompt=NEGATIVE, device=torch.device("cpu"), num_images_per_prompt=1,
            do_classifier_free_guidance=True,
        )  # fmt: skip
    ours = encoded(layout, PROMPT, NEGATIVE).at(0)
    for mine, other in zip(ours, theirs, strict=False):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("layout", ["sd1", "sd2", "xl"])
def test_the_negative_reaches_the_picture(layout: str) -> None:
    made = pipeline(layout)

    def drawn(**words: Any) -> torch.Tensor:
        noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
        return made(num_inference_steps=2, guidance_scale=7.0, latents=noise, output_type="latent", **words).images

    def ours(negative: str) -> torch.Tensor:
        prompt, unwanted, pooled, pooled_unwanted = encoded(layout, PROMPT, negative).at(0)
        xl = {"pooled_prompt_embeds": pooled, "negative_pooled_prompt_embeds": pooled_unwanted} if layout == "xl" else {}
        return drawn(prompt_embeds=prompt, negative_prompt_embeds=unwanted, **xl)

    torch.testing.assert_close(ours(NEGATIVE), drawn(prompt=PROMPT, negative_prompt=NEGATIVE), rtol=1e-4, atol=1e-4)
    assert (ours(NEGATIVE) - ours("")).abs().max() > 1e-3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_negative_is_its_own(layout: str) -> None:
    prompt, negative, pooled, pooled_negative = encoded(layout, PROMPT, NEGATIVE).at(0)
    _, empty, _, pooled_empty = encoded(layout, PROMPT, "").at(0)
    same, _, same_pooled, _ = encoded(layout, NEGATIVE).at(0)
    assert torch.equal(negative, same)
    assert not torch.equal(negative, empty) and not torch.equal(negative, prompt)
    if pooled is not None:
        assert torch.equal(pooled_negative, same_pooled)
        assert not torch.equal(pooled_negative, pooled_empty) and not torch.equal(pooled_negative, pooled)


@pytest.mark.parametrize(("layout", "width"), [("sd1", WIDTH), ("sd2", WIDTH), ("xl", 2 * WIDTH), ("refiner", WIDTH)])
def test_shapes(layout: str, width: int) -> None:
    prompt, negative, pooled, pooled_negative = encoded(layout, "word " * 100, "").at(0)
    assert prompt.shape == negative.shape == (1, 2 * 77, width)
    assert prompt.dtype == torch.float32
    if layout in ("xl", "refiner"):
        assert pooled.shape == pooled_negative.shape == (1, PROJECTED)
    else:
        assert pooled is None and pooled_negative is None


def test_without_guidance_there_is_no_negative() -> None:
    prompt, negative, _, pooled_negative = encoded("xl", PROMPT, "word " * 100, guidance=False).at(0)
    assert negative is None and pooled_negative is None
    assert prompt.shape[1] == 77


def test_a_blank_negative_of_xl_is_zeros_and_no_other() -> None:
    _, negative, _, pooled = encoded("xl", PROMPT, "  ").at(0)
    assert not negative.any() and not pooled.any()
    for layout in ("sd1", "sd2", "refiner"):
        assert encoded(layout, PROMPT, "").at(0)[1].any()


# --- Weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_weight_of_one_is_the_word_to_the_bit(layout: str) -> None:
    plain = encoded(layout, "a cat on a mat", "dog, ugly")
    assert equal(plain, encoded(layout, "a (cat:1.0) on a mat", "(dog:1), ugly"))
    assert not equal(plain, encoded(layout, "a (cat:1.1) on a mat", "dog, ugly"))


def reference(states: torch.Tensor, weights: list[float]) -> torch.Tensor:
    """A1111's first rule, written out: multiply each token's states, then bring the mean back."""
    before = states.sum() / states.numel()
    changed = states.clone()
    for place, weight in enumerate(weights):
        changed[0, place] = changed[0, place] * weight
    after = changed.sum() / changed.numel()
    return changed * (before / after)


WEIGHTED = "a (red cat:1.3) on [a] ((mat)), (no:0.5)"
WEIGHTS = [1.0, 1.0, 1.3, 1.3, 1.0, 1 / 1.1, 1.21, 1.0, 0.5] + [1.0] * 68


@pytest.mark.parametrize("layout", LAYOUTS)
def test_weights_against_a_plain_computation(layout: str) -> None:
    made, plain = pipeline(layout), "a red cat on a mat, no"
    expected = []
    for part in PARTS[layout]:
        outputs = run(made, part, ids_of(getattr(made, part.replace("text_encoder", "tokenizer")), plain))
        states = outputs.hidden_states[-2] if layout in ("xl", "refiner") else outputs.last_hidden_state
        expected.append(reference(states, WEIGHTS))
    prompt, _, pooled, _ = encoded(layout, WEIGHTED).at(0)
    torch.testing.assert_close(prompt, torch.cat(expected, dim=-1), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(prompt.mean(), encoded(layout, plain).at(0)[0].mean(), rtol=1e-3, atol=1e-4)
    if pooled is not None:
        assert torch.equal(pooled, encoded(layout, plain).at(0)[2])


def test_weights_in_the_second_chunk_leave_the_first_alone() -> None:
    plain, heavy = encoded("sd1", "a " * 75 + "cat dog"), encoded("sd1", "a " * 75 + "cat (dog:1.4)")
    assert torch.equal(plain.at(0)[0][:, :77], heavy.at(0)[0][:, :77])
    made = pipeline("sd1")
    states = run(made, "text_encoder", ids_of(made.tokenizer, "cat dog")).last_hidden_state
    torch.testing.assert_close(heavy.at(0)[0][:, 77:], reference(states, [1, 1, 1.4]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("heavy", ["(cat:0)", "(cat:-3)", "(cat:0.000000001)", "(" * 40 + "cat" + ":999999999)" * 40])
def test_no_weight_gives_anything_but_numbers(heavy: str) -> None:
    for states in encoded("xl", heavy, heavy).at(0):
        assert torch.isfinite(states).all()
        assert states.abs().max() < 1e5


def test_a_mean_of_nothing_scales_nothing() -> None:
    made = copy.copy(pipeline("sd1"))
    made.text_encoder = text_encoder()
    norm = made.text_encoder.final_layer_norm
    torch.nn.init.zeros_(norm.bias)
    torch.nn.init.ones_(norm.weight)
    states = run(made, "text_encoder", ids_of(made.tokenizer, "a cat")).last_hidden_state
    expected = states.clone()
    expected[0, 2] *= 1.5
    torch.testing.assert_close(encoded(made, "a (cat:1.5)").at(0)[0], expected)


# --- Long prompts, breaks, schedules --------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_chunk_is_encoded_by_itself(layout: str) -> None:
    both = encoded(layout, "a cat BREAK a dog", NEGATIVE).at(0)
    one, two = encoded(layout, "a cat").at(0), encoded(layout, "a dog").at(0)
    assert torch.equal(both[0], torch.cat([one[0], two[0]], dim=1))
    padding = encoded(layout, "").at(0)[0]
    assert torch.equal(both[1], torch.cat([encoded(layout, NEGATIVE).at(0)[0], padding], dim=1))
    if both[2] is not None:
        assert torch.equal(both[2], one[2])


def test_a_long_negative_makes_the_prompt_longer() -> None:
    prompt, negative, _, _ = encoded("sd2", "a cat", "word, " * 100).at(0)
    assert prompt.shape == negative.shape == (1, 3 * 77, WIDTH)


def test_every_word_of_a_long_prompt_counts() -> None:
    words = " ".join(["lake"] * 170)
    assert not equal(encoded("sd1", words + " cat"), encoded("sd1", words + " dog"))


def test_schedules_switch_and_all_steps_have_one_length() -> None:
    made = encoded("sd1", "a [cat:dog" + " x" * 80 + ":0.5]", "[ugly::1] b", steps=4)
    lengths = {tensor.shape for step in range(4) for tensor in made.at(step)[:2]}
    assert lengths == {(1, 2 * 77, WIDTH)}
    long = "a dog" + " x" * 80
    for step, (prompt, negative) in enumerate([("a cat", "ugly b"), ("a cat", " b"), (long, " b")]):
        for padded, plain in zip(made.at(step)[:2], encoded("sd1", prompt, negative).at(0)[:2], strict=True):
            assert torch.equal(padded[:, : plain.shape[1]], plain)
    assert torch.equal(made.at(3)[0], made.at(2)[0])
    assert torch.equal(made.at(99)[0], made.at(3)[0])


def test_alternation_takes_turns() -> None:
    made = encoded("sd1", "a [cat|dog]", "", steps=3)
    for step, word in enumerate(["cat", "dog", "cat"]):
        assert torch.equal(made.at(step)[0], encoded("sd1", f"a {word}").at(0)[0])
    assert torch.equal(made.at(0)[0], made.at(2)[0]) and not torch.equal(made.at(0)[0], made.at(1)[0])


# --- Clip skip ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("skip", "layer"), [(0, -1), (1, -1), (2, -2), (3, -3)])
def test_clip_skip_of_stable_diffusion_1(skip: int, layer: int) -> None:
    made = pipeline("sd1")
    outputs = run(made, "text_encoder", ids_of(made.tokenizer, PROMPT))
    with torch.inference_mode():
        expected = made.text_encoder.final_layer_norm(outputs.hidden_states[layer])
    torch.testing.assert_close(encoded("sd1", PROMPT, skip=skip).at(0)[0], expected)


@pytest.mark.parametrize(("skip", "layer"), [(0, -1), (2, -1), (3, -2)])
def test_clip_skip_where_the_last_layer_was_cut_off(skip: int, layer: int) -> None:
    made = pipeline("sd2")
    outputs = run(made, "text_encoder", ids_of(made.tokenizer, PROMPT))
    with torch.inference_mode():
        expected = made.text_encoder.final_layer_norm(outputs.hidden_states[layer])
    torch.testing.assert_close(encoded("sd2", PROMPT, skip=skip).at(0)[0], expected)


@pytest.mark.parametrize(("skip", "layer"), [(0, -2), (1, -2), (2, -2), (3, -3)])
def test_clip_skip_of_xl_has_no_final_norm(skip: int, layer: int) -> None:
    made = pipeline("xl")
    first = run(made, "text_encoder", ids_of(made.tokenizer, PROMPT)).hidden_states[layer]
    second = run(made, "text_encoder_2", ids_of(made.tokenizer_2, PROMPT)).hidden_states[layer]
    assert torch.equal(encoded("xl", PROMPT, skip=skip).at(0)[0], torch.cat([first, second], dim=-1))


# --- Embeddings, neutral words, cache -------------------------------------------------------------------------------


@pytest.mark.parametrize("end_id", [2, 49407])
def test_an_embedding_by_name_is_all_its_vectors(end_id: int) -> None:
    made = copy.copy(pipeline("refiner"))
    made.tokenizer_2 = copy.deepcopy(made.tokenizer_2)
    made.text_encoder_2 = text_encoder(4, projected=True, act="gelu", end_id=end_id)
    made.tokenizer_2.add_tokens(["handfix", "handfix_1", "handfix_2"])
    made.text_encoder_2.resize_token_embeddings(len(made.tokenizer_2))
    ids = [49406, 320, 49408, 49409, 49410, 267, 2368, 49407] + [0] * 69
    outputs = run(made, "text_encoder_2", ids)
    prompt, _, pooled, _ = encoded(made, "a handfix, cat").at(0)
    assert torch.equal(prompt, outputs.hidden_states[-2])
    with torch.inference_mode():
        torch.testing.assert_close(pooled, made.text_encoder_2.text_projection(outputs.last_hidden_state[:, 7]))


def test_a_neutral_term_says_what_commas_say() -> None:
    place = find_terms(NEGATIVE)[2].place
    neutral = encoded("sd1", PROMPT, NEGATIVE, neutral=[place])
    made = pipeline("sd1")
    ids = ids_of(made.tokenizer, NEGATIVE)
    assert ids.count(1929) == 1
    ids[ids.index(1929)] = 267
    assert torch.equal(neutral.at(0)[1], run(made, "text_encoder", ids).last_hidden_state)
    assert torch.equal(neutral.at(0)[0], encoded("sd1", PROMPT, NEGATIVE).at(0)[0])


def counted(encoder: Any) -> list[int]:
    """A list that grows by one with each run of ``encoder``."""
    runs: list[int] = []
    encoder.register_forward_hook(lambda *_: runs.append(1))
    return runs


def test_what_was_encoded_is_not_encoded_again() -> None:
    made = copy.copy(pipeline("sd1"))
    made.text_encoder = text_encoder()
    runs, cache = counted(made.text_encoder), EncodingCache()
    first = encoded(made, "[cat|dog]", NEGATIVE, steps=20, cache=cache)
    assert len(runs) == 3
    again = encoded(made, "[cat|dog]", "(ugly:1.2), blurry, dog", steps=20, cache=cache)
    assert len(runs) == 3
    assert torch.equal(first.at(1)[0], again.at(1)[0]) and not torch.equal(first.at(1)[1], again.at(1)[1])
    encoded(made, "[cat|dog]", NEGATIVE, steps=20, skip=2, cache=cache)
    assert len(runs) == 6
    cache.clear()
    encoded(made, "cat", "cat", cache=cache)
    assert len(runs) == 7


def test_another_encoder_is_never_taken_for_the_first() -> None:
    made, cache = copy.copy(pipeline("sd1")), EncodingCache()
    for layers in (2, 3, 4):
        made.text_encoder = text_encoder(layers)
        assert equal(encoded(made, PROMPT, NEGATIVE, cache=cache), encoded(made, PROMPT, NEGATIVE))


def test_another_embedding_of_the_same_entry_counts() -> None:
    made, cache = copy.copy(pipeline("sd1")), EncodingCache()
    made.tokenizer, made.text_encoder = copy.deepcopy(made.tokenizer), text_encoder()
    made.tokenizer.add_tokens(["handfix"])
    made.text_encoder.resize_token_embeddings(len(made.tokenizer))
    first = encoded(made, "handfix", cache=cache)
    with torch.no_grad():
        made.text_encoder.get_input_embeddings().weight[-1] += 1
    assert not equal(first, encoded(made, "handfix", cache=cache))


def test_a_full_cache_forgets_the_oldest() -> None:
    made = copy.copy(pipeline("sd1"))
    made.text_encoder = text_encoder()
    runs, cache = counted(made.text_encoder), EncodingCache(limit=2 * 77 * WIDTH * 4)
    for prompt in ("cat", "dog", "cat", "bird", "cat", "dog"):
        encoded(made, prompt, guidance=False, cache=cache)
    assert len(runs) == 4


class Watching:
    """A guard that notes what it ran."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def run(self, name: str, component: Any, call: Any) -> torch.Tensor:
        self.names.append(name)
        return call(torch.float32)


def test_a_guard_sees_each_run() -> None:
    guard = Watching()
    encoded("xl", "cat", guidance=False, guard=guard)
    assert guard.names == ["text_encoder", "text_encoder_2", "text_encoder_2"]


@pytest.mark.parametrize(
    "text", ["(" * 500, "🐱" * 300, "\u200b\u202e" * 50, "مرحبا שלום", "\x00", "<|endoftext|> a", ", " * 200]
)
def test_strange_text_is_encoded(text: str) -> None:
    prompt, negative, _, _ = encoded("sd1", text, text).at(0)
    assert torch.isfinite(prompt).all() and torch.equal(prompt, negative)
