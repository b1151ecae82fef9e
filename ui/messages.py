"""Every sentence on the page, except those in the engine's errors and notices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

TITLE = "Easel"
TAGLINE = "Pictures from words, on your own computer."

PROMPT = "Prompt"
PROMPT_HELP = "Say what you want to see. Ctrl+Enter generates; Ctrl+Up and Ctrl+Down give the selected words more or less weight."
PROMPT_EXAMPLE = "a red balloon above the sea"
NEGATIVE = "Negative prompt"
NEGATIVE_HELP = "what the picture should not show"
WEIGHTS_HELP = "Ctrl+Up and Ctrl+Down give the selected words more or less weight."
SETTINGS = "Settings"
READING = "How the prompt was read"
BOTH_ENCODERS = "Both text encoders of this checkpoint read it like this:"
REPERTOIRE = "What the starter can draw"
TEXT_TAB = "Text to image"
OWN_SIZE = "Another size"
RANDOM_SEED = "random"
SEED_HELP = "Leave empty for a new one each time. The same seed and settings give the same picture."
EXAMPLES = "Try"
WAITING_FOR_FIRST = "Your picture appears here."
FIRST_HINT = "Type a prompt and press Generate."
SKETCH_HINT = "Draw something, type what it should be, and press Generate."
UPSCALE_HINT = "Choose a picture and press Upscale."

PRESETS = "Presets"
PRESET = "Preset"
USE_PRESET = "Use"
REMOVE_PRESET = "Remove"
SAVE_PRESET = "Save both prompts"
PRESET_NAME = "Name of a new preset"
PRESET_HELP = "{prompt} in a preset stands for the prompt that it is applied to."
CHOOSE_PRESET = "Choose a preset first."
EMPTY_PRESET = "Both prompts are empty, so there is nothing to save. Write the preset's text into them first."

COMPARE = "Compare"
EACH_WORD = "What each word does"
MAX_TERMS = "Words to try"
COMPARE_FIRST = "Write a negative prompt and press Compare to see the same picture with and without it."
WITH, WITHOUT = "with", "without"
SLIDER = "How much of the left picture is shown"
MAP = "Where the picture changed: brighter means more"
CHANGED_BY_NEGATIVE = "changed by the negative prompt. The map shows where: bright means changed."
DOWNLOAD_WITH, DOWNLOAD_WITHOUT = "Download with", "Download without"
KEEP_SEED = "Keep this seed"
WORDS = "Words by effect, strongest first"
DEAD_WORDS = "These do nothing in this picture"
ALL_WORDS_COUNT = "Every word does something in this picture."
WITHOUT_WORD = "The picture without this word, in full size"
ALL_WORDS, SLIM = "all words", "without these"
TRIMMED = "The words that did nothing were removed from the negative prompt."
NOT_THERE_ANY_MORE = "The negative prompt has changed since then and no longer contains any of these words."

EMPTY_PROMPT = "The prompt was empty, so the checkpoint drew something of its own."
STOPPED = "Stopped. Unfinished pictures were not saved."
REUSED = "This picture's settings are in the form now, including its seed."
SEED_KEPT = "Seed {seed} is used until you clear the field."
NO_RECORD = "This file contains no settings that Easel can read."
NOT_UPLOADED = "This file was not uploaded on this page, or more than a day ago. Upload it again."
IMAGE_GONE = "This picture is no longer in the outputs folder."

SPEED = "Speed"
AS_SET = "as the Settings tab says"
SPEEDS = {
    "exact": "Exact",
    "balanced": "Balanced: about 1.6 times as fast, nearly the same",
    "draft": "Draft: about 2.3 times as fast, clearly another picture",
}
SPEED_HELP = (
    "Measured against Exact, with the starter: Balanced PSNR 40.4 dB, GMSD 0.005; Draft 27.4 dB, 0.077. With a full-size random "
    "checkpoint: 40.7 dB, 0.003; 36.4 dB, 0.009. GMSD is a distance as an eye sees it: 0 is equal, 0.3 another picture."
)
MACHINE = "This computer"
MACHINE_UNKNOWN = "The image generator is still starting. Close this section and open it again in a moment."
MACHINE_DEVICE = "Device"
MACHINE_MEMORY = "Memory"
MACHINE_KIND = "Precision, and why"
MACHINE_MEASURED = "Measured on this computer"
MACHINE_THREADS = "CPU cores in use"
DOES_NOT_FIT = "This does not fit into memory."

ADDITIONS = "LoRA, VAE, refiner, clip skip"
OWN_VAE = "the checkpoint's own"
NO_REFINER = "none"
NOT_UPSCALED = "no"
UPSCALE_AFTERWARDS = "Upscale afterwards, four times"
ADD_LORA = "choose one to add it to the prompt"
LAST_LAYER = "last layer"

SAVE = "Save"
SAVED = "Saved. Used from the next picture on."
EXTRA_MODELS = "Folders of other programs"
EXTRA_MODELS_HELP = "One per line: the main folder of ComfyUI, AUTOMATIC1111 or Forge, or a folder with checkpoints (read only)."
PRECISION = "Precision"
PRECISION_HELP = "Auto chooses what suits this computer and the checkpoint best."
COMPILE = "Compile large checkpoints for this device"
COMPILE_HELP = "Faster on graphics cards. The first picture of each size takes a few minutes longer; compiled code is kept."
LEAVE_METADATA_OUT = "Leave settings out of picture files"
LEAVE_METADATA_OUT_HELP = "Files then contain no prompt and no seed, so the picture cannot be made again from the file."
SAFETY_CHECKER = "Use a checkpoint's own safety checker"
SAFETY_CHECKER_HELP = "For checkpoints that include one. Pictures that it flags are withheld, and no previews are shown."
WATERMARK = "Invisible watermark"
WATERMARK_HELP = "A short text hidden in every picture of at least 256 × 256 pixels. Leave empty for none."

UPSCALE_TAB = "Upscale"
SEND_TO_UPSCALE = "Upscale"
IMAGES = "Pictures to upscale"
WHOLE_FOLDER = "Choose a whole folder"
UPSCALER = "Upscaler"
BUILT_IN_UPSCALER = "Built in: quick, for photos and drawings"
LANCZOS_UPSCALER = "Lanczos: plain resampling, adds no detail"
CLEAN = "Clean"
FACTOR = "Times as wide and high"
CLEANING = "Cleaning"
CLEANING_HELP = "How much noise and compression artefacts are removed. 0 keeps everything."
NOISE_LEVEL = "Noise level"
NOISE_LEVEL_HELP = "How far the result may depart from the original: 20 is usual, higher values invent more detail."
BEST = "best"
UPSCALE = "Upscale"
BEFORE_AFTER = "Before and after"
NOTHING_TO_UPSCALE = "There is no picture to upscale. Choose one or more first."

YOURS = "Your checkpoints"
LOOK_AGAIN = "Look again"
GET_MORE = "Get more"
GET_MORE_HELP = "Nothing is downloaded and no server is contacted until you press a button here."
PASTE = "A hub name or a link"
PASTE_EXAMPLE = "owner/name, or the link of a file"
ASK = "Look"
THERE = "In your folder"
SIZE_UNKNOWN = "Unknown"
LICENCE_UNKNOWN = "See its page for the licence"
NOT_USED = "Not used"
NO_ABILITY = "refiner: the last steps of an XL checkpoint"
WHY = "Why?"
AS_FOUND = "as found"
IS_A = "It is"
PREDICTS = "It predicts"
FILE_GONE = "This file is no longer there. Press “Look again”."
CHOICE_KEPT = "Saved for this file. Used from the next picture on."


def folder_missing(folder: str) -> str:
    """For a folder that was named and is not there."""
    return f"There is no folder “{folder}” at the moment. The setting is kept, and used once the folder is there."


def folder_found(folder: str, program: str, count: int) -> str:
    """For a folder that was named; ``program`` is the program that it belongs to, or ""."""
    return f"“{folder}”{f' ({program})' if program else ''}: {_count(count, 'file')} found."


def hash_of(digest: str) -> str:
    """A checkpoint's quick hash, as images name it."""
    return f"Easel's hash: {digest[:10]}"


def sha256_of(sha256: str) -> str:
    """That of the whole file, as other programs name it by its first ten digits."""
    return f"Hash in other programs: {sha256[:10]} (SHA-256 {sha256})"


def told_by(reason: str) -> str:
    """What a file was recognised by."""
    return f"Recognised by its content: {reason}."


def not_used(name: str, reason: str) -> str:
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


DRAW_ON_IT = "Draw on it"
GO_ON = "Continue at strength {strength:g}"
AT_STRENGTH = "At strength {strength:g}"
STRENGTHS_SHOWN = "Strength of the picture shown large"

# The sketch tab
SKETCH_TAB = "Sketch to image"
AS_DRAWN = "as drawn"
EXPLORE = "Explore"
FINISH = "Finish"
GENERATE = "Generate"
LIVE = "Live: repaint while I draw"
LIVE_IMAGE = "The drawing, repainted"
LIVE_STATUS = "Live preview, not saved. Press Finish to make a picture that is saved."
LIVE_BEST = "Fastest here ({label})"
PICKED = "The form now has strength {strength:g} and this picture's seed."
FIT = {
    "crop": "Fill the frame and crop the rest",
    "pad": "Show all of it, with paper at the sides",
    "stretch": "Stretch it to the frame",
}
ONLY_MASKED = "Work on the masked part alone, at full size"
PART = "A part of it (mask)"
SEEN = "What the engine will see"
DEPTH = "Depth"
DEPTH_MAP = "A depth map of your own (white is near), instead of the estimated one"
DEPTH_SHOWN = "The depth that guides the picture: white is near."
NO_DRAWING = "The drawing could not be uploaded. Reload the page; the drawing is kept in your browser."
STRENGTHS = {
    0.0: "gives my drawing back as it is",
    0.05: "keeps my drawing, touches up the surface",
    0.3: "keeps my shapes and colours",
    0.5: "keeps my composition, redraws the things",
    0.7: "takes my drawing as a rough guide",
    0.9: "keeps only a hint of my drawing",
    1.0: "ignores my drawing: the prompt alone counts",
}
"""From this strength on -> what it means, for the person who drew."""

# The drawing pad
PAD_LABEL = "Drawing"
PAD_WIDTH = "Width"
PAD_COLOUR = "Another colour"
PAD_PAPER = "Paper"
PAD_SHAPE = "Shape"
LAYERS = "Layers and shape"
UPLOAD = "Open a picture"
MASKED_PART = "The masked part is"
MASKED_PARTS = {"repainted": "repainted", "kept": "kept, all else is repainted"}
CLEAR_MASK = "Remove the mask"
PAD_SHAPES = {
    "square": "Square",
    "portrait": "Portrait",
    "landscape": "Landscape",
    "tall": "Tall",
    "wide": "Wide",
    "": "As the picture",
}
PAD_TOOLS = {
    "brush": "Brush (B)",
    "eraser": "Eraser (E)",
    "fill": "Fill (F)",
    "pick": "Pick a colour from the drawing",
    "mask": "Mask: paint over the part to repaint (M)",
    "unmask": "Rub the mask out",
    "hand": "Move the view (H)",
    "undo": "Undo (Ctrl+Z)",
    "redo": "Redo (Ctrl+Y)",
    "clear": "Begin a new drawing",
    "zoom-out": "Smaller",
    "zoom-whole": "All of it",
    "zoom-in": "Larger (Ctrl and wheel, or two fingers)",
    "layer-add": "Add a layer",
    "layer-remove": "Remove this layer",
    "layer-up": "Layer up",
    "layer-down": "Layer down",
}
PAD_SAYS = {
    "layer": "Layer",
    "show": "Show or hide",
    "opening": "Opening the picture …",
    "full": "The browser has no space left to keep the drawing across a reload. Free some space, or save the result soon.",
    "away": "Easel does not respond. Check that its window is still open, then try again.",
}


REUSE = "Reuse these settings"
MARK = "☆ Favourite"
UNMARK = "★ Favourite"
STOP_COMPARING = "Stop comparing"
COMPARE_HINT = "Now choose the picture to compare it with."
SAME_SETTINGS = "Both were made with the same settings."
SHOW_FILE = "Show the file"
TRASH = "Delete"
REALLY_TRASH = "Move this picture to the trash?"
IN_TRASH = "The picture is in the trash."
NEWER = "‹ Newer"
OLDER = "Older ›"
NO_IMAGES = "No picture matches. Make one, or search for something else."
CHOOSE_IMAGE = "Choose a picture to see it large, with its settings."
SEARCH = "Search"
SEARCH_HELP = "words in the prompt"
ANY_CHECKPOINT = "Any checkpoint"
ANY_DAY = "Any day"
FAVOURITES = "Favourites only"

INFO_TAB = "Image info"
DROP_IMAGE = "Drop a picture here, or press to choose one"
DROP_HINT = "Drop any picture: Easel shows what its file contains, whichever program made it, and what can be used again."
USE_SETTINGS = "Use these settings"
WHY_DIFFERENT = "Why would it be different now?"
NO_WATERMARK = "not readable"
HOW_IT_RAN = "How it was run"
NOTHING_DIFFERS = "Nothing differs: these settings give the same picture here."
CANNOT_COMPARE = (
    "It cannot be compared right now: its checkpoint is not here, or a picture is being made. Try again when nothing is running."
)
MATTERS = "Yes"
MATTERS_NOT = "No"

QUEUE = "Queue"
QUEUE_EMPTY = "Nothing is running or waiting."
TO_FRONT = "Move to the front"
CANCEL = "Cancel"
CANCEL_ALL = "Cancel all"
AGAIN = "Try again"
LOADING = "Preparing"
NO_PROMPT = "(no prompt)"


def queue(running: int, waiting: int) -> str:
    """What the button of the queue says."""
    parts = [f"{running} running"] * bool(running) + [f"{waiting} waiting"] * bool(waiting)
    return " · ".join([QUEUE, *parts])


def image_count(count: int) -> str:
    """How many images a job that waits will make."""
    return _count(count, "picture")


def all_done(seconds: float) -> str:
    """When the queue will be empty."""
    return f"All jobs: {time_left(seconds)}"


def reduced(width: int, height: int, longest: int) -> str:
    """For an image that is larger than the pad."""
    return f"The picture has {width:,} × {height:,} pixels; on the pad its longer side is {longest:,}."


def really_cancel(count: int) -> str:
    """Asked before everybody's jobs are cancelled."""
    which = "the job" if count == 1 else f"all {count} jobs"
    return f"Cancel {which}, including those of other pages? Finished pictures are kept."


def text_found(name: str, length: int) -> str:
    """A text in a file, before it is unfolded."""
    return f"The text “{_short(name)}” as it stands in the file ({length:,} characters)"


def still_reading(count: int) -> str:
    """While the history is filled for the first time."""
    return f"Looking at {_count(count, 'more picture')} …"


def shown_of(first: int, last: int, count: int) -> str:
    """Which thumbnails are shown of all."""
    return f"{first:,}–{last:,} of {count:,}"


def lies_at(path: Path) -> str:
    """Instead of showing a file."""
    return f"The file lies at {path}"


def no_trash(path: Path) -> str:
    """When an image stays where it is."""
    return f"The system's trash cannot take this picture, so it stays. Delete the file yourself: {path}"


def shortened(text: str, most: int) -> str:
    """A text on one line, cut where it is too long to be read."""
    return _short(" ".join(text.split()), most)


def not_a_number(name: str, written: str) -> str:
    """For a field that takes a number."""
    return f"{name} must be a number, not “{_short(written)}”."


def not_whole(name: str, written: str) -> str:
    """For a field that takes a whole number."""
    return f"{name} must be a whole number, not “{_short(written)}”."


def waiting(ahead: int) -> str:
    """While other jobs run first."""
    if ahead == 0:
        return "Starting …"
    return f"Waiting: {_count(ahead, 'job')} {'goes' if ahead == 1 else 'go'} first."


def step(unit: str, number: int, steps: int, index: int, count: int) -> str:
    """While an image is made; ``unit`` is "step" or "tile", ``index`` counts from 0."""
    of_batch = f" · picture {index + 1} of {count}" if count > 1 else ""
    return f"{unit.capitalize()} {number} of {steps}{of_batch}"


def time_left(seconds: float) -> str:
    """How long it will still take, as coarse as it is known."""
    if seconds < 1.5:
        return "almost done"
    if seconds < 90:
        return f"about {round(seconds)} s left"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min left"
    return f"about {round(seconds / 3600)} h left"


def took(seconds: float) -> str:
    """How long an image took."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {round(seconds % 60)} s"


def saved_before(count: int) -> str:
    """After a stop or a failure in the middle of several images."""
    return f"{_count(count, 'picture')} finished before that and {'is' if count == 1 else 'are'} kept."


def unknown_words(words: Sequence[str], models: Path) -> str:
    """Words that the starter was never taught, and the way out."""
    return (
        f"The starter does not know {_listed(words)}. It draws what “{TEXT_TAB}” lists under “{REPERTOIRE}”. "
        f"For everything else, put a Stable Diffusion checkpoint into {models} and reload this page."
    )


def preset_used(name: str) -> str:
    """The words stand in the fields now."""
    return f"“{_short(name)}” was added to the prompts."


def preset_saved(name: str, file: Path) -> str:
    """Where it is."""
    return f"“{_short(name)}” is saved in {file}, a file that you can also edit."


def preset_removed(name: str) -> str:
    """The file no longer holds it."""
    return f"“{_short(name)}” was removed."


def preset_not_yours(name: str | None, file: Path) -> str:
    """Easel's own presets and those of styles.csv stay."""
    return f"“{_short(name)}” is not one of your own presets in {file}, so it was not removed." if name else CHOOSE_PRESET


def percent(share: float) -> str:
    """A share (0..1) of the whole range."""
    return f"{100 * share:.1f} %"


def words_explained(floor: float) -> str:
    """What the numbers beside the words mean; ``floor`` is the noise floor."""
    return (
        "How much the picture changes when a word is left out and everything else stays. The same picture made again, at "
        f"another place in the batch, changed by {percent(floor)}; a word that "
        "changes no more than that, or too little to see, does nothing."
    )


def without_word(word: str) -> str:
    """What a thumbnail shows."""
    return f"The picture without “{_short(word)}”"


def untried(tried: int, left: int) -> str:
    """The negative prompt has more words than were tried."""
    return f"The first {tried} were tried, {left} more were not. “{MAX_TERMS}” in the settings sets the limit."


def slim_explained(share: float) -> str:
    """How far the image moves without all words that do nothing by themselves."""
    return f"Without all of these the picture changes by {percent(share)}. Look at it before you remove them."


def remove_words(count: int) -> str:
    """The button that takes them out."""
    return f"Remove {'this word' if count == 1 else f'these {count} words'}"


def lowered(words: Sequence[str]) -> str:
    """Words whose capitals were lost."""
    return f"Capital letters make no difference: {_listed(words)} is read as {_listed([word.lower() for word in words])}."


def in_pieces(words: Sequence[str]) -> str:
    """Words that the vocabulary has no entry for."""
    return f"Split into several tokens: {_listed(words)}."


def not_held(words: Sequence[str]) -> str:
    """Words that say nothing to the checkpoint."""
    return f"Not in this checkpoint’s vocabulary: {_listed(words)}."


def tokens(count: int, chunks: int, length: int) -> str:
    """How long a prompt is for the checkpoint's text encoder."""
    runs = f", read in {chunks} parts of up to {length}" if chunks > 1 else ""
    return f"{_count(count, 'token')} of {length * chunks}{runs}"


def cleaner(name: str) -> str:
    """A network that restores an image at its own size, among the upscalers."""
    return f"{CLEAN}: {name}, at the same size"


def upscale_title(upscaler: str, keeps_size: bool) -> str:
    """What stands for the prompt of a job that upscales or cleans pictures."""
    return f"{CLEAN if keeps_size else UPSCALE}: {upscaler}"


def cost(before: tuple[int, int], after: tuple[int, int], images: int, seconds: float, memory: int, measured: bool) -> str:
    """What upscaling will cost; sizes of the largest image, ``memory`` in bytes, ``measured`` whether by earlier runs."""
    which = f"{images} pictures, the largest " if images > 1 else ""
    sizes = f"{before[0]:,} × {before[1]:,} becomes {after[0]:,} × {after[1]:,} pixels"
    guess = "" if measured else " (a rough guess until it has run here once)"
    needs = f"{_about(seconds)}{guess}, {memory / 2**30:.1f} GB of memory"
    return f"{which}{sizes} ({after[0] * after[1] / 1e6:,.1f} megapixels): {needs}."


def fits(need: int, free: int | None) -> str:
    """What an image needs of memory; bytes, ``free`` None where nobody knows."""
    of = "" if free is None else f", and {_gigabytes(free)} are free"
    return f"It needs about {_gigabytes(need)} of memory{of}."


def memory_of(free: int | None, total: int | None) -> str:
    """A device's memory in bytes, when the worker started."""
    if free is None or total is None:
        return "The device does not report its memory."
    return f"{_gigabytes(free)} of {_gigabytes(total)} were free when Easel started"


def measured_gain(dtype: str, gain: float) -> str:
    """How much faster than float32 a precision was measured to be."""
    return f"{dtype} is {gain:.1f} times as fast as float32"


def takes(seconds: float | None, count: int) -> str:
    """How long ``count`` images take, ``seconds`` each; None: none was made with this checkpoint yet."""
    if seconds is None:
        return "How long a picture takes is known after the first one with this checkpoint."
    each = f"A picture takes {_about(seconds)}"
    together = "" if count == 1 else f", all {count} {_about(seconds * count)}"
    return f"{each}{together}, judging by earlier ones here."


def left_out(names: Sequence[str]) -> str:
    """Files of a chosen folder that are no images."""
    which = "is not a picture and was" if len(names) == 1 else "are not pictures and were"
    return f"{_count(len(names), 'file')} of the folder {which} skipped: {_listed(names)}."


def bad_file(name: str, why: str) -> str:
    """One of several chosen files cannot be used."""
    return f"“{_short(name)}” cannot be upscaled. {why}"


def _about(seconds: float) -> str:
    if seconds < 2:
        return "a second or two"
    return f"about {round(seconds)} s" if seconds < 90 else f"about {round(seconds / 60)} min"


def _gigabytes(count: int) -> str:
    return f"{count / 2**30:.1f} GB"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"“{_short(word, 30)}”" for word in words[:8]) + (" and more" if len(words) > 8 else "")


def _short(written: str, most: int = 40) -> str:
    return written if len(written) <= most else written[: most - 1] + "…"
