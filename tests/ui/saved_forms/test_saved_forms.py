"""Whole forms under a name: saved, read again, brought from a file; what a file brings and is not here is named."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import pytest

from engine.errors import EaselError
from engine.settings import Settings
from ui.common import form
from ui.common.checkpoint_options import CheckpointOptions
from ui.common.fields import Fields
from ui.saved_forms.panel import FormPanel, complete_form, create_form_box
from ui.saved_forms.store import FILE, FORMAT, SavedForms, read_form

FIELDS: dict[str, form.Value] = {**form.BLANK, "prompt": "a cat “😀”", "steps": "7", "size": "own", "width": "512"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", outputs=tmp_path / "outputs")


def test_a_form_is_kept_by_tab_and_name(settings: Settings) -> None:
    text, sketch = SavedForms(settings, "text"), SavedForms(settings, "sketch")
    text.save(" mine ", FIELDS)
    sketch.save("mine", {"prompt": "other"})
    assert text.read()["mine"].fields == FIELDS and sketch.read()["mine"].fields == {"prompt": "other"}
    text.save("mine", {"prompt": "new"})
    assert text.read()["mine"].fields == {"prompt": "new"}
    text.remove("mine")
    text.remove("never there")
    assert text.read() == {} and list(sketch.read()) == ["mine"]
    with pytest.raises(EaselError, match="give it a name"):
        text.save("  ", FIELDS)


def test_a_damaged_form_hides_no_other(settings: Settings) -> None:
    forms = SavedForms(settings, "text")
    forms.save("mine", FIELDS)
    path = settings.data / FILE
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "odd": {"tab": 3}, "list": []}), "utf-8")
    assert list(forms.read()) == ["mine"]
    path.write_text("{broken", "utf-8")
    with pytest.raises(EaselError, match="cannot be read"):
        forms.read()


def test_an_exported_form_comes_back_on_its_tab_alone() -> None:
    content = json.dumps({FORMAT: 1, "tab": "text", "name": "mine", "fields": {**FIELDS, "nested": [1]}}).encode()
    found = read_form(content, "text")
    assert (found.name, found.fields) == ("mine", FIELDS)
    with pytest.raises(EaselError, match="another tab"):
        read_form(content, "sketch")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"easel_form": 1}', b" " * 2**21, b"[" * 99_999])
def test_another_file_is_a_sentence(content: bytes) -> None:
    with pytest.raises(EaselError, match="not a form that Easel exported"):
        read_form(content, "text")


def test_what_is_not_here_is_named_and_the_rest_is_filled_in(settings: Settings) -> None:
    known = CheckpointOptions(settings)
    found, lost = complete_form({**FIELDS, "vae": "gone", "scheduler": "no such", "odd": "x", "count": "2"}, form.BLANK, known)
    assert (found["prompt"], found["count"], found["vae"], found["scheduler"]) == (FIELDS["prompt"], "2", "", "")
    assert lost == [form.LABELS["scheduler"], form.LABELS["vae"], "odd"]
    assert complete_form({**FIELDS, "checkpoint": next(iter(known.checkpoints))}, form.BLANK, known)[1] == []


def test_several_files_are_imported_and_none_replaces_a_form_or_goes_without_a_word(settings: Settings, tmp_path: Path) -> None:
    with gr.Blocks():
        fields: Fields = {name: gr.Textbox() for name in form.BLANK}
        box = create_form_box("text")
    forms = SavedForms(settings, "text")
    panel = FormPanel(box, fields, form.BLANK, forms, CheckpointOptions(settings))
    forms.save("mine", {"prompt": "before"})
    files: list[Path] = []
    for number, (name, tab) in enumerate([("mine", "text"), ("other", "text"), ("mine", "sketch"), ("mine", "text")]):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(
            json.dumps({FORMAT: 1, "tab": tab, "name": name, "fields": {**FIELDS, "seed": str(number % 3)}}), "utf-8"
        )
    (tmp_path / "broken.json").write_text("{")
    answer = panel.bring([str(path) for path in (*files, tmp_path / "broken.json", tmp_path / "gone.json")])
    said = str(answer[box.notice])
    assert forms.read()["mine"].fields == {"prompt": "before"}
    assert set(forms.read()) == {"mine", "mine (2)", "other"}  # the first and the last are the same form
    assert "3 forms were imported" in said and "“mine (2)” is in the form now" in said
    assert all(f"“{name}” was not imported" in said for name in ("2.json", "broken.json", "gone.json"))
    assert "was not imported" in str(panel.bring([str(tmp_path / "gone.json")])[box.notice])
    assert forms.read().keys() == {"mine", "mine (2)", "other"}
