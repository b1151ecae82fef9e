"""The sentences of the page that contain numbers or names. Fixed texts are in :mod:`ui.messages`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from engine.descriptions import FreedMemory
from engine.requests import CONTROL_MODES, Control
from engine.safe_text import name_to_text
from ui.formatting import (
    format_clock,
    format_count,
    format_gigabytes,
    format_percent,
    format_rough_duration,
    format_time_left,
    list_quoted,
    shorten,
)
from ui.messages import (
    CHOOSE_PRESET,
    CLEAN,
    CONTROL_MODE_NAMES,
    MAX_TERMS,
    PREPROCESSOR_NAMES,
    QUEUE,
    REPERTOIRE,
    TEXT_TAB,
    UPSCALE,
)

LEAST_FREED = 2**30 // 20
"""Bytes below which freed memory is not worth a number: it would read 0.0 GB."""


def image_name(content_hash: str) -> str:
    """An image that has no name but its content hash."""
    return f"picture {content_hash[:8]}"


def missing_folder(folder: str) -> str:
    """For a folder that was named and is not there."""
    return f"There is no folder “{folder}” at the moment. The setting is kept, and used once the folder is there."


def found_folder(folder: str, program: str, count: int) -> str:
    """For a folder that was named; ``program`` is the program that it belongs to, or ""."""
    return f"“{folder}”{f' ({program})' if program else ''}: {format_count(count, 'file')} found."


def quick_hash(digest: str) -> str:
    """A checkpoint's quick hash, as images name it."""
    return f"Easel's hash: {digest[:10]}"


def full_hash(sha256: str) -> str:
    """That of the whole file, as other programs name it by its first ten digits."""
    return f"Hash in other programs: {sha256[:10]} (SHA-256 {sha256})"


def recognition(reason: str) -> str:
    """What a file was recognised by."""
    return f"Recognised by its content: {reason}."


def unused_file(name: str, reason: str) -> str:
    """For a sound file that no tab has a use for."""
    return f"“{name}” is {reason}."


def download_status(state: str, done: str, total: str, is_part_kept: bool) -> str:
    """Where a download stands; ``done`` and ``total`` are sizes in words, ``total`` "" where nobody knows."""
    amount = f"{done} of {total}" if total else done
    kept = f"{amount} are kept, so the download can resume." if is_part_kept else ""
    return {
        "asking": "Asking the server what there is …",
        "confirming": "",
        "offered": "",
        "running": f"Downloading: {amount}",
        "paused": f"Paused at {amount}",
        "finished": f"Downloaded {done}, ready to use.",
        "failed": kept,
        "cancelled": f"Cancelled. {kept}".strip(),
    }[state]


def queue_label(running: int, waiting: int) -> str:
    """What the button of the queue says."""
    parts = [f"{running} running"] * bool(running) + [f"{waiting} waiting"] * bool(waiting)
    return " · ".join([QUEUE, *parts])


def waiting_jobs(count: int) -> str:
    """How many more jobs of a tab wait."""
    return f"{count} more waiting"


def strip_thumbnail(seed: int) -> str:
    """A small image that shows itself large."""
    return f"Show the picture with seed {seed}"


def image_count(count: int) -> str:
    """How many images a job that waits will make."""
    return format_count(count, "picture")


def queue_time(seconds: float) -> str:
    """When the queue will be empty."""
    return f"All jobs: {format_time_left(seconds)}, {expected_end(seconds)}"


def expected_end(seconds: float) -> str:
    """When a job of the queue will be done."""
    return f"done at about {format_clock(seconds)}"


def rough_size(size: str) -> str:
    """How large a checkpoint is that can be downloaded."""
    return f"About {size} in half precision, twice that in full precision."


def done_with_many(action: str, count: int) -> str:
    """After something was done with all selected images."""
    pictures = format_count(count, "picture")
    if action == "trash_many":
        return f"{pictures} moved to the trash."
    return f"{pictures} added to the favourites." if action == "mark" else f"{pictures} taken out of the favourites."


def caches_removed(freed: int) -> str:
    """After the caches were removed."""
    return f"{freed / 1e6:,.0f} MB were freed. What is needed is made anew, so the next pages and pictures take longer once."


def day_heading(day: date) -> str:
    """Over the pictures of one day."""
    return f"{day:%A}, {day.day} {day:%B %Y}"


def reduced_size(width: int, height: int, longest: int) -> str:
    """For an image that is larger than the pad."""
    return f"The picture has {width:,} × {height:,} pixels; on the pad its longer side is {longest:,}."


def cancel_question(count: int) -> str:
    """Asked before everybody's jobs are cancelled."""
    which = "the job" if count == 1 else f"all {count} jobs"
    return f"Cancel {which}, including those of other pages? Finished pictures are kept."


def text_heading(name: str, length: int) -> str:
    """A text in a file, before it is unfolded."""
    return f"The text “{shorten(name)}” as it stands in the file ({length:,} characters)"


def reading_progress(count: int) -> str:
    """While the history is filled for the first time."""
    return f"Looking at {format_count(count, 'more picture')} …"


def album_gone(folder: Path) -> str:
    """Shown instead of the thumbnails of another program's folder."""
    return (
        f"The folder “{folder}” is not there. Connect its drive, or remove the folder on the Settings tab. Its pictures are "
        "listed again as soon as it is back."
    )


def album_label(folder: Path) -> str:
    """The name of another program's folder in a choice: its last parts, which tell the programs' “output” apart."""
    return name_to_text(Path(*folder.parts[-2:]).as_posix())


def outputs_gone(folder: Path) -> str:
    """Shown instead of the thumbnails."""
    return (
        f"The folder “{folder}” is not there. Was it renamed, or a drive unplugged? Give it back its name or connect the drive, "
        "then open History again. New pictures are saved in a new folder of that name."
    )


def thumbnail_range(first: int, last: int, count: int) -> str:
    """Which thumbnails are shown of all."""
    return f"{first:,}–{last:,} of {count:,}"


def file_location(path: Path) -> str:
    """Instead of showing a file."""
    return f"The file lies at {path}"


def trash_failure(path: Path) -> str:
    """When an image stays where it is."""
    return f"The system's trash cannot take this picture, so it stays. Delete the file yourself: {path}"


def short_text(text: str, most: int) -> str:
    """A text on one line, cut where it is too long to be read."""
    return shorten(" ".join(text.split()), most)


def number_error(name: str, written: str) -> str:
    """For a field that takes a number."""
    return f"{name} must be a number, not “{shorten(written)}”."


def whole_number_error(name: str, written: str) -> str:
    """For a field that takes a whole number."""
    return f"{name} must be a whole number, not “{shorten(written)}”."


def queue_position(ahead: int) -> str:
    """While other jobs run first."""
    if ahead == 0:
        return "Starting …"
    return f"Waiting: {format_count(ahead, 'job')} {'goes' if ahead == 1 else 'go'} first."


def step_progress(unit: str, number: int, steps: int, index: int, count: int) -> str:
    """While an image is made; ``unit`` is "step" or "tile", ``index`` counts from 0."""
    of_batch = f" · picture {index + 1} of {count}" if count > 1 else ""
    return f"{unit.capitalize()} {number} of {steps}{of_batch}"


def saved_images(count: int) -> str:
    """After a stop or a failure in the middle of several images."""
    return f"{format_count(count, 'picture')} finished before that and {'is' if count == 1 else 'are'} kept."


def unknown_words(words: Sequence[str], models: Path) -> str:
    """Words that the starter was never taught, and the way out."""
    return (
        f"The starter does not know {list_quoted(words)}: it may change the picture, but not into what it means. "
        f"It draws what “{TEXT_TAB}” lists under “{REPERTOIRE}”. "
        f"For everything else, put a Stable Diffusion checkpoint into {models} and reload this page."
    )


def applied_preset(name: str) -> str:
    """The words stand in the fields now."""
    return f"“{shorten(name)}” was added to the prompts."


def saved_preset(name: str, file: Path) -> str:
    """Where it is."""
    return f"“{shorten(name)}” is saved in {file}, a file that you can also edit."


def removed_preset(name: str) -> str:
    """The file no longer holds it."""
    return f"“{shorten(name)}” was removed."


def foreign_preset(name: str | None, file: Path) -> str:
    """Easel's own presets and those of styles.csv stay."""
    return f"“{shorten(name)}” is not one of your own presets in {file}, so it was not removed." if name else CHOOSE_PRESET


def effect_explanation(floor: float) -> str:
    """What the numbers beside the words mean; ``floor`` is the noise floor."""
    return (
        "How much the picture changes when a word is left out and everything else stays. The same picture made again, at "
        f"another place in the batch, changed by {format_percent(floor)}; a word that "
        "changes no more than that, or too little to see, does nothing."
    )


def thumbnail_title(word: str) -> str:
    """What a thumbnail shows."""
    return f"The picture without “{shorten(word)}”"


def untried_words(tried: int, left: int) -> str:
    """The negative prompt has more words than were tried."""
    return f"The first {tried} were tried, {left} more were not. “{MAX_TERMS}” in the settings sets the limit."


def slim_explanation(share: float) -> str:
    """How far the image moves without all words that do nothing by themselves."""
    return f"Without all of these the picture changes by {format_percent(share)}. Look at it before you remove them."


def removal_button(count: int) -> str:
    """The button that takes them out."""
    return f"Remove {'this word' if count == 1 else f'these {count} words'}"


def lowered_words(words: Sequence[str]) -> str:
    """Words whose capitals were lost."""
    return f"Capital letters make no difference: {list_quoted(words)} is read as {list_quoted([word.lower() for word in words])}."


def split_words(words: Sequence[str]) -> str:
    """Words that the vocabulary has no entry for."""
    return f"Split into several tokens: {list_quoted(words)}."


def missing_words(words: Sequence[str]) -> str:
    """Words that say nothing to the checkpoint."""
    return f"Not in this checkpoint’s vocabulary: {list_quoted(words)}."


def prompt_part(label: str, number: int, weight: float) -> str:
    """What is written above a part of a prompt composed with AND, counted from 1."""
    return f"{label}, part {number}, weight {weight:g}"


def token_count(count: int, chunks: int, length: int) -> str:
    """How long a prompt is for the checkpoint's text encoder."""
    runs = f", read in {chunks} parts of up to {length}" if chunks > 1 else ""
    return f"{format_count(count, 'token')} of {length * chunks}{runs}"


def cleaner_label(name: str) -> str:
    """A network that restores an image at its own size, among the upscalers."""
    return f"{CLEAN}: {name}, at the same size"


def upscale_title(upscaler: str, keeps_size: bool) -> str:
    """What stands for the prompt of a job that upscales or cleans pictures."""
    return f"{CLEAN if keeps_size else UPSCALE}: {upscaler}"


def upscale_cost(
    before: tuple[int, int], after: tuple[int, int], images: int, seconds: float, memory: int, measured: bool
) -> str:
    """What upscaling will cost; sizes of the largest image, ``memory`` in bytes, ``measured`` whether by earlier runs."""
    which = f"{images} pictures, the largest " if images > 1 else ""
    sizes = f"{before[0]:,} × {before[1]:,} becomes {after[0]:,} × {after[1]:,} pixels"
    guess = "" if measured else " (a rough guess until it has run here once)"
    needs = f"{format_rough_duration(seconds)}{guess}, {memory / 2**30:.1f} GB of memory"
    return f"{which}{sizes} ({after[0] * after[1] / 1e6:,.1f} megapixels): {needs}."


def memory_need(need: int, free: int | None) -> str:
    """What an image needs of memory; bytes, ``free`` None where nobody knows."""
    of = "" if free is None else f", and {format_gigabytes(free)} are free"
    return f"It needs about {format_gigabytes(need)} of memory{of}."


def device_memory(free: int | None, total: int | None) -> str:
    """A device's memory in bytes, when the worker started."""
    if free is None or total is None:
        return "The device does not report its memory."
    return f"{format_gigabytes(free)} of {format_gigabytes(total)} were free when Easel started"


def freed_memory(freed: FreedMemory) -> str:
    """What the button that frees memory did."""
    amounts = [
        f"{format_gigabytes(count)} of {whose}"
        for count, whose in ((freed.device, "the graphics card's memory"), (freed.ram, "RAM"))
        if count >= LEAST_FREED
    ]
    unloaded = (
        f"Unloaded: {list_quoted(freed.checkpoints)}. The next picture loads its checkpoint again." if freed.checkpoints else ""
    )
    if not amounts and not unloaded:
        return "No checkpoint was loaded, and no memory was left to give back."
    given = f"Given back: {' and '.join(amounts)}." if amounts else ""
    return " ".join(filter(None, (given, unloaded)))


def measured_gain(name: str, gain: float) -> str:
    """How much faster than float32 a precision, than torch a library, or than the other layout a layout was measured to be."""
    compared = {
        "openvino": f"OpenVINO is {gain:.2f} times as fast as torch",
        "channels_last": f"convolutions are {gain:.2f} times as fast with channels last as with channels first",
    }
    return compared.get(name, f"{name} is {gain:.1f} times as fast as float32")


def kept_graphs(compiler: str, count: int) -> str:
    """The library that computes large networks, and how many of its graphs are kept."""
    name = {"openvino": "OpenVINO"}.get(compiler, compiler)
    kept = {0: "none of its graphs is kept yet", 1: "1 of its graphs is kept in the data folder"}
    return f"{name}; {kept.get(count, f'{count} of its graphs are kept in the data folder')}"


def grid_size(lengths: Sequence[int]) -> str:
    """How many images a grid has, by the lengths of its axes."""
    sides = f"{' × '.join(f'{length:,}' for length in lengths)}: " if len(lengths) > 1 else ""
    return f"A grid of {sides}{math.prod(lengths):,} pictures and a sheet of them."


def image_time(seconds: float | None, count: int) -> str:
    """How long ``count`` images take, ``seconds`` each; None: none was made with this checkpoint yet."""
    if seconds is None:
        return "How long a picture takes is known after the first one with this checkpoint."
    each = f"A picture takes {format_rough_duration(seconds)}"
    together = "" if count == 1 else f", all {count:,} {format_rough_duration(seconds * count)}"
    return f"{each}{together}, judging by earlier ones here."


def skipped_files(names: Sequence[str]) -> str:
    """Files of a chosen folder that are no images."""
    which = "is not a picture and was" if len(names) == 1 else "are not pictures and were"
    return f"{format_count(len(names), 'file')} of the folder {which} skipped: {list_quoted(names)}."


def dropped_files(count: int, name: str) -> str:
    """Several files lie in a place that shows one at a time, which is called ``name``."""
    return f"{format_count(count, 'file')} are in the list. This is “{shorten(name)}”; press the name of another one to see that."


def only_first(count: int, name: str) -> str:
    """Several files came to a place that takes one; the first is called ``name``."""
    others = "the other one was" if count == 2 else f"the other {count - 1} were"
    return f"Only one picture is used here: “{shorten(name)}” was taken, and {others} not. Drop one at a time."


def unusable_files(names: Sequence[str]) -> str:
    """Several of the chosen files cannot be used."""
    return (
        f"{format_count(len(names), 'file')} cannot be upscaled, because they are not pictures that Easel can open: "
        f"{list_quoted(names)}. Remove them from the list and try again; the others are still there."
    )


def unusable_file(name: str, why: str) -> str:
    """One of several chosen files cannot be used."""
    return f"“{shorten(name)}” cannot be upscaled. {why}"


def tag_count(count: int) -> str:
    """How many pictures have a tag, in its list."""
    return f"{count:,} pictures"


def made_for(family: str) -> str:
    """Of a LoRA or embedding that was trained for another family than the chosen checkpoint's."""
    return f"made for {family}"


def no_cards(models: Path) -> str:
    """There is neither a LoRA nor an embedding."""
    return f"There is no LoRA and no embedding yet. Put some into {models}, with their preview and notes beside them, and reload."


def broken_preview(name: str) -> str:
    """The image beside a LoRA or an embedding cannot be shown."""
    return f"The preview of “{shorten(name)}” cannot be read. Replace it, or delete it."


def wrong_quality(text: str) -> str:
    """The quality on the Settings tab is not one."""
    return f"The settings were not saved: the quality must be a whole number from 1 to 100, not “{shorten(text)}”."


def revoked_key(name: str) -> str:
    """A key is of no use any more."""
    return f"The key “{name}” is revoked. The program that used it is refused from now on."


def name_pattern_help(parts: Sequence[str]) -> str:
    """What may stand in the pattern of file names."""
    listed = " ".join(f"{{{part}}}" for part in parts)
    return f"A slash makes a folder. Parts: {listed}. The job, number and seed always follow, so no picture is overwritten."


def wrong_defaults(most_steps: int, most_guidance: float) -> str:
    """The usual steps or CFG scale of a checkpoint cannot be used."""
    return (
        f"This was not saved: steps go from 1 to {most_steps}, and the CFG scale from 0 to {most_guidance:g}. Correct the number."
    )


def saved_form(name: str) -> str:
    """The form can be filled in again."""
    return f"This form is saved as “{shorten(name)}”."


def removed_form(name: str) -> str:
    """A saved form is gone."""
    return f"The saved form “{shorten(name)}” is removed."


def filled_form(name: str, lost: Sequence[str]) -> str:
    """The form stands in the fields; ``lost`` are the labels of what could not be used."""
    filled = f"“{shorten(name)}” is in the form now."
    return f"{filled} Not here, or not known to this version: {list_quoted(lost)}." if lost else filled


def imported_forms(names: Sequence[str]) -> str:
    """Several forms were imported at once; the last is filled in."""
    return f"{len(names)} forms were imported: {list_quoted(names)}."


def form_trouble(file: str, trouble: str) -> str:
    """Why a file was not imported."""
    return f"“{shorten(file)}” was not imported. {trouble}"


def form_of_another_tab(tab: str) -> str:
    """A form was exported on another tab."""
    return f"This form was exported on another tab ({shorten(tab)}). Open that tab and import it there."


def trash_question(name: str, size: str) -> str:
    """Before a checkpoint is moved to the trash."""
    return f"Move “{shorten(name)}” ({size}) to the trash? Pictures made with it stay, but cannot be made again without it."


def checkpoint_in_trash(name: str) -> str:
    """A checkpoint was moved there."""
    return f"“{shorten(name)}” is in the trash."


def checkpoint_stays(path: Path) -> str:
    """The system has no trash for a checkpoint."""
    return f"The system's trash cannot take this file, so it stays. Delete it yourself: {path}"


def foreign_file(path: Path) -> str:
    """A file that Easel does not remove: another program's, or its own."""
    return f"This file belongs to Easel itself or to another program, so Easel leaves it where it is: {path}"


def describe_control(control: Control) -> str:
    """What guides an image, for a list of its settings."""
    parts = [
        control.model,
        f"weight {control.weight:g}",
        f"steps {control.start:.0%} to {control.end:.0%}" if (control.start, control.end) != (0, 1) else "",
        CONTROL_MODE_NAMES[control.mode] if control.mode != CONTROL_MODES[0] else "",
        PREPROCESSOR_NAMES[control.preprocessor] if control.preprocessor != "none" else "",
    ]
    return ", ".join(part for part in parts if part)


def name_control(number: int) -> str:
    """The heading over a control."""
    return f"Control {number}"


def control_without_model(number: int) -> str:
    """For a control whose picture nothing reads."""
    return f"Control {number} has a picture and no ControlNet. Choose the ControlNet that reads it, or take the picture out."


def control_without_picture(number: int) -> str:
    """For a control that has nothing to read."""
    return f"Choose a picture and a ControlNet for control {number} first."


def best_for_lines(name: str) -> str:
    """The choice of the network that reads lines best."""
    return f"The best here ({name})"


def no_control_for_lines(checkpoint: str) -> str:
    """For lines that nothing reads."""
    return (
        f"Nothing in your folders reads lines for {checkpoint}. Put a ControlNet for scribbles, line art or edges of its family "
        "into the models folder, or take the tick from “Keep my lines”."
    )
