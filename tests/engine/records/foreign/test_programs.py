"""Everything in every program's record is used, or said. See ``programs.py`` for the records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from engine.json_values import JsonObject, JsonValue
from engine.records.foreign import readers
from engine.records.foreign.foreign_record import ForeignRecord
from engine.records.recall import recall
from tests.engine.records import carriers
from tests.engine.records.foreign.programs import PROGRAMS, Program

NAMES = [f"{index}: {program.name}" for index, program in enumerate(PROGRAMS)]


def read(texts: JsonObject) -> ForeignRecord:
    record = readers.read_fields(texts)
    assert record is not None
    return record


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_what_easel_has_a_field_for_is_used(program: Program) -> None:
    record = read(program.texts)
    found = (record.program, record.prompt, record.negative_prompt, record.scheduler, record.schedule)
    assert found == (program.name, program.prompt, program.negative_prompt, program.scheduler, program.schedule)
    assert (record.steps, record.guidance_scale, record.seed, record.width, record.height) == (
        28,
        6.5,
        program.seed,
        *program.size,
    )
    assert record.checkpoint is not None and program.checkpoint in record.checkpoint
    assert {name: asdict(record)[name] for name in program.expected} == program.expected


@pytest.mark.parametrize("program", [each for each in PROGRAMS if each.name != "NovelAI"], ids=lambda each: each.source)
def test_the_lora_survives_under_the_name_that_it_has_here(program: Program) -> None:
    request, notes = readers.to_request(read(program.texts), loras=["folder/Ink"])
    assert request.prompt.count("<lora:folder/Ink:0.8>") == 1 and "<lora:ink" not in request.prompt
    assert not any("models folder" in note and "LoRA" in note for note in notes)


@pytest.mark.parametrize("program", [each for each in PROGRAMS if each.name != "NovelAI"], ids=lambda each: each.source)
def test_a_lora_that_is_not_here_stays_in_the_prompt_and_is_said(program: Program) -> None:
    request, notes = readers.to_request(read(program.texts), loras=["other"])
    assert ":0.8>" in request.prompt
    assert any("LoRA “" in note and "ink" in note and "models folder" in note for note in notes)


@pytest.mark.parametrize(
    "program", [each for each in PROGRAMS if len(each.lora_hash) >= 10 and " " not in each.lora_hash], ids=str
)
def test_a_lora_is_found_by_its_hash(program: Program) -> None:
    digits = program.lora_hash.lower().removeprefix("0x")
    request, _ = readers.to_request(read(program.texts), loras=["renamed"], lora_hashes={digits.ljust(64, "0"): "renamed"})
    assert request.prompt.endswith("<lora:renamed:0.8>")


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_what_easel_has_no_field_for_is_said(program: Program) -> None:
    request, notes = readers.to_request(read(program.texts))
    said = "\n".join(notes)
    assert [words for words in program.said if words not in said] == []
    assert request.schedule == program.schedule
    assert "does not know what these mean" not in said


def inject(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    """``value`` with an unknown field added, for each object in it, JSON in texts included."""
    if isinstance(value, dict):
        yield path, {**value, "zzunknown": "odd"}
        for key, item in value.items():
            yield from ((where, {**value, key: changed}) for where, changed in inject(item, f"{path}.{key}"))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from (
                (where, [*value[:index], changed, *value[index + 1 :]]) for where, changed in inject(item, f"{path}[{index}]")
            )
    elif isinstance(value, str) and value.startswith("{"):
        yield from ((where, json.dumps(changed)) for where, changed in inject(json.loads(value), path))
    elif isinstance(value, str) and "\nSteps:" in value:
        yield path, f"{value}, Zzunknown: odd"


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_an_unknown_field_is_always_mentioned(program: Program) -> None:
    tried = 0
    for where, changed in inject(program.texts):
        assert isinstance(changed, dict)
        _, notes = readers.to_request(read(changed))
        assert "zzunknown" in "\n".join(notes).casefold(), where
        tried += 1
    assert tried > 0


@pytest.mark.parametrize("program", PROGRAMS, ids=NAMES)
def test_a_field_of_another_type_is_mentioned_or_does_no_harm(program: Program) -> None:
    odds: list[JsonValue] = [[["odd"]], {"odd": 1}, True, "odd " * 200, -1, 1e300]
    for odd in odds:
        for key in program.texts:
            readers.read_fields({**program.texts, key: odd})
        for text in program.texts.values():
            written = json.loads(text) if isinstance(text, str) and text.startswith("{") else {}
            for name in written:
                changed = json.dumps({**written, name: odd})
                record = readers.read_fields({**program.texts, **{k: changed for k, v in program.texts.items() if v == text}})
                if record is not None:
                    readers.to_request(record, ("Euler",), ("a",), loras=(), vaes=(), refiners=())


@pytest.mark.parametrize("program", [each for each in PROGRAMS if set(each.texts) <= {"parameters", "fooocus_scheme"}], ids=str)
@pytest.mark.parametrize("little", [True, False])
def test_the_same_in_a_jpeg(program: Program, little: bool) -> None:
    source = carriers.user_comment(str(program.texts["parameters"]), "JPEG", little=little)
    found = readers.read(source)
    assert found is not None and (found.prompt, found.seed) == (program.prompt, program.seed)
    recalled = recall(source, ("Euler",), ("dreamy_v8",), loras=("ink",))
    assert recalled is not None and recalled.request.prompt.count("<lora:ink:0.8>") == 1


def described(text: str, format: str) -> bytes:
    return carriers.tags({0x010E: text}, format)


def hidden(text: str) -> bytes:
    return carriers.stealth(text, size=(120, 200))


CARRIERS: dict[str, Callable[[str], bytes]] = {
    "png": lambda text: carriers.png({"parameters": text}),
    "png description": lambda text: carriers.png({"Description": text}),
    "webp": lambda text: carriers.user_comment(text, "WEBP"),
    "avif": lambda text: carriers.user_comment(text, "AVIF"),
    "jpeg description": lambda text: described(text, "JPEG"),
    "tiff description": lambda text: described(text, "TIFF"),
    "avif description": lambda text: described(text, "AVIF"),
    "gif": carriers.gif,
    "xmp comment": lambda text: carriers.xmp({"exif:UserComment": text}),
    "xmp description": lambda text: carriers.xmp({"dc:description": text}),
    "alpha": hidden,
    "colours": lambda text: carriers.stealth_colours(text, size=(120, 200)),
}


@pytest.mark.parametrize(
    "program", [each for each in PROGRAMS if set(each.texts) == {"parameters"}], ids=lambda each: each.source
)
def test_the_same_from_every_carrier(program: Program) -> None:
    for name, carry in CARRIERS.items():
        found = readers.read(carry(str(program.texts["parameters"])))
        assert found is not None and (found.program, found.prompt, found.seed) == (program.name, program.prompt, program.seed), (
            name
        )


def test_a_record_of_any_size_is_read_in_bounds() -> None:
    many = {f"k{index}": index for index in range(3_000)}
    for texts in (
        {"invokeai_metadata": json.dumps({"positive_prompt": "x", **many})},
        {"parameters": "a\nSteps: 1, " + ", ".join(f"{key}: {value}" for key, value in many.items())},
        {"parameters": "<lora:a:1>" * 4_000 + "\nSteps: 1, Seed: 2"},
        {"parameters": json.dumps({"base_model": "a", "prompt": "b", "loras": [[f"l{index}", 1.0] for index in range(2_000)]})},
        {"parameters": "a\nSteps: 1, " + "x" * 100_000 + ": 1"},
    ):
        _, notes = readers.to_request(read(texts), loras=())
        assert len("\n".join(notes)) < 20_000 and notes


@pytest.mark.parametrize("seed", [-1, "-1", -1.0, "-1.0"])
def test_a_seed_of_minus_one_is_random_in_every_program(seed: JsonValue) -> None:
    for program in PROGRAMS:
        written = json.dumps(program.texts)
        for old in ('\\"1234567\\"', "1234567", '"1234567"'):
            changed = written.replace(old, json.dumps(json.dumps(seed))[1:-1] if old.startswith("\\") else str(seed))
            if changed != written:
                break
        request, notes = readers.to_request(read(json.loads(changed)))
        assert request.seed is None and not any("The seed" in note for note in notes), program.source
