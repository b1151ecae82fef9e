"""Variants and wildcards against the program whose grammar they have: dynamicprompts."""

from __future__ import annotations

import logging
import random
from pathlib import Path

import pytest
from dynamicprompts.generators import RandomPromptGenerator
from dynamicprompts.wildcards import WildcardManager

from engine.errors import RequestError
from engine.prompt.draw_prompts import draw_again, draw_prompts
from engine.prompt.variants import draw, escape, has_variants, parse_template
from engine.prompt.wildcards import Wildcards
from engine.requests import ExecutionPlan, Resolved, TextToImage, complete, request_at, resolved_from_json, resolved_to_json

SEEDS = 300
NOTHING = Wildcards(())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wildcards")
    files = {
        "color.txt": "# colors\nred\n\nblue\n  green  \n",
        "coat.txt": "{long|short} __color__ coat\nno coat\n",
        "plants/tree.txt": "oak\nelm\n",
        "plants/flower.txt": "rose\ntulip\n",
        "more/beasts.yaml": "animals:\n  cats: [lynx, lion]\n  dogs:\n    - wolf\n    - fox\nstone: flint\n",
        "metal.json": '{"metal": ["iron", "gold"]}',
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


TEMPLATES = (
    "{a|b|c} cat", "{a|}x", "{|a}", "{}", "{a}", "{ a | b }c", "{a|{b|c} d}", "{a|{b|{c|d}}}", "a {b|c} {b|c}", "{1.1|1.2}",
    "{2$$a|b|c}", "{2$$ and $$a|b|c}", "{1-2$$a|b|c}", "{-2$$a|b|c}", "{2-$$a|b|c}", "{0-1$$a|b}", "{5$$a|b}", "{3-1$$a|b|c}",
    "{2$$, $$a|b}", "{2$$|$$a|b|c}", "{2$$a|a}", "{2$$}", "{2$${a|b}|c}", "{~a|b}", "{0.3::a|2::b}", "{0::a|b}", "{2::a}",
    "{2$$3::a|b}", "{.5::a|1.::b}", "{a::b}", "[a|{b|c}]", "[{a|b}:c:0.5]", "(a:{1.1|1.2})", "{(a:1.2)|b}", "a|b", "a}b", "_a_",
    "{<lora:x:1>|<lora:y:0.5>} c", "<lora:{x|y}:1>", "x\n{a|b}\ny",
    "__color__ hat", "a__color__b", "__plants/*__", "__plants/tree__", "__tree__", "__*/tree__", "__**/tree__", "__coat__",
    "{2$$__color__}", "{1-2$$ - $$__color__}", "{__color__|{2$$__color__}}", "{3::__color__|b}", "__~color__",
    "__more/animals/cats__", "__more/animals/*__", "__more/stone__", "__metal__", "__stone__",
)  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_same_prompts_are_possible_as_there(template: str, folder: Path) -> None:
    logging.disable(logging.WARNING)
    there, ours = WildcardManager(folder), Wildcards([folder])
    wanted = set(RandomPromptGenerator(there, seed=1).generate(template, SEEDS))
    assert {draw(template, seed, ours) for seed in range(SEEDS)} == wanted


@pytest.mark.parametrize(
    ("template", "drawn"),
    [
        (r"\{a|b\}", {"{a|b}"}), (r"{\{a\}|b}", {"{a}", "b"}), (r"\\{a|b}", {"\\a", "\\b"}), (r"{a\|b|c}", {r"a\|b", "c"}),
        ("{a|b", {"{a|b"}), ("a} {b}", {"a} b"}), (r"\__color__", {"__color__"}),
        ("# {a|b} __none__\nc", {"# {a|b} __none__\nc"}),
        ("{[a|b]|c}", {"[a|b]", "c"}), ("{[a|b}", {"[a", "b"}), ("<lora:my__old__one:1>", {"<lora:my__old__one:1>"}),
        ("a __ b __ c", {"a __ b __ c"}), ("____", {"____"}), ("${1+1}", {"$1+1"}),
        ("US${5|9}", {"US$5", "US$9"}), ("50%{a|b}", {"50%a", "50%b"}), ("$ {a}", {"$ a"}),
        ("__COLOR__", {"red", "blue", "green"}), ("{a #|b}", {"a #", "b"}),
    ],
)  # fmt: skip
def test_where_it_differs_from_there(template: str, drawn: set[str], folder: Path) -> None:
    assert {draw(template, seed, Wildcards([folder])) for seed in range(60)} == drawn


def test_weights_say_how_often() -> None:
    drawn = [draw("{1::a|3::b}", seed, NOTHING) for seed in range(SEEDS)]
    assert 0.15 < drawn.count("a") / SEEDS < 0.35


def test_what_is_escaped_is_drawn_as_it_was() -> None:
    pick = random.Random(3)
    pieces = ["\\", "{", "}", "|", "__", "a", "_", "b c", "[", "]", "\n", "#", "<lora:", ">", "$$", "2", "${", "%"]
    for _ in range(5_000):
        text = "".join(pick.choices(pieces, k=pick.randint(1, 14)))
        assert draw(escape(text), 1, NOTHING) == text
        assert not has_variants(escape(text))


def write(folder: Path, **files: str) -> Wildcards:
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text, "utf-8")
    return Wildcards([folder])


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{a|__none__}", "no wildcard called “none”"), ("__empty__", "“empty” is empty"), ("__one__", "“one” names itself in"),
        ("{a|{b|__self__}}", "“self” names itself"), ("__leads__", "called “none”"), ("__w*__ x", "no wildcard called"),
        ("${name}", "variable"), ("${name=a}", "variable"), ("__self(a=b)__", "variable"), ("%{a$$b}", "variable"),
        ("${ name:a}", "variable"), ("%{{a|b}, $$b}", "variable"), ("${a-b=__c__}", "variable"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said_by_its_name_whatever_the_seed(template: str, said: str, tmp_path: Path) -> None:
    wildcards = write(
        tmp_path, empty="# nothing\n\n", one="__two__\nx", two="a\n__one__", self="a\n__self__", leads="a\n__none__"
    )
    for seed in range(20):
        with pytest.raises(RequestError, match=said):
            draw(template, seed, wildcards)


def test_damaged_and_odd_files_are_named_and_the_others_work(tmp_path: Path) -> None:
    wildcards = write(tmp_path, good="a\n")
    (tmp_path / "bad.yaml").write_text("a: [", "utf-8")
    (tmp_path / "deep.json").write_text("[" * 100_000, "utf-8")
    (tmp_path / "notepad.txt").write_text("ä\r\n", "utf-16")
    (tmp_path / "link").symlink_to(tmp_path)
    assert draw("__good__ __notepad__", 1, wildcards) == "a ä"
    with pytest.raises(RequestError, match=r"called “gone”.*bad\.yaml"):
        draw("__gone__", 1, wildcards)
    assert {"bad.yaml", "deep.json"} == {name for name in ("bad.yaml", "deep.json") if name in " ".join(wildcards.troubles)}


def test_large_and_nested_templates_are_parsed_and_bounded(tmp_path: Path) -> None:
    for template in ("{" * 50_000, "{a|" * 16_000, "__" * 25_000, "\\" * 50_000, "__a" * 16_000, "{a|b}" * 10_000):
        parse_template(template)
    doubling = write(tmp_path, **{f"w{n}": f"__w{n + 1}__ __w{n + 1}__" for n in range(40)}, w40="a")
    with pytest.raises(RequestError, match="more than 50,000 characters"):
        draw("__w0__", 1, doubling)


def test_a_request_draws_for_each_image_and_a_record_never_again() -> None:
    asked = TextToImage(prompt=r"{a|b|c|d|e} \{x|y\}", negative_prompt="{f|g|h|i}", count=9)
    drawn = draw_prompts(asked, NOTHING)
    assert drawn.prompt_template == asked.prompt and drawn.negative_template == asked.negative_prompt and drawn.seed is not None
    assert draw_prompts(drawn, NOTHING) == drawn == draw_prompts(TextToImage(**{**vars(asked), "seed": drawn.seed}), NOTHING)
    first = complete(drawn, checkpoint="x", width=8, height=8, steps=1, guidance_scale=5, scheduler="DDIM", seed=drawn.seed)
    images = [draw_again(request_at(first, index), first.seed, NOTHING) for index in range(9)]
    assert images[0] == first and len({image.prompt for image in images}) > 1 and len({i.negative_prompt for i in images}) > 1
    assert images[4].prompt == draw_prompts(TextToImage(prompt=asked.prompt, seed=images[4].seed), NOTHING).prompt
    written = resolved_to_json(Resolved(request=images[4], plan=ExecutionPlan(), threads=1))
    assert resolved_from_json(written).request == images[4]
    old = {**written, "request": {k: v for k, v in written["request"].items() if "template" not in k}}  # type: ignore[union-attr]
    request = resolved_from_json(old).request
    assert request.prompt == images[4].prompt and draw_prompts(request, NOTHING) == request


def test_a_prompt_without_variants_has_no_template_and_no_seed() -> None:
    drawn = draw_prompts(TextToImage(prompt=r"a \{cat\}"), NOTHING)
    assert (drawn.prompt, drawn.prompt_template, drawn.negative_template, drawn.seed) == ("a {cat}", "", "", None)
