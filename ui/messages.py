"""The fixed texts of the page: labels, hints and sentences. Those with numbers or names are in :mod:`ui.sentences`."""

from __future__ import annotations

TITLE = "Easel"
TAGLINE = "Pictures from words, on your own computer."

YES, NO = "yes", "no"

NOT_FILLED_IN = "A part of this page could not be filled in. Reload the page; the terminal says what went wrong."

PROMPT = "Prompt"
PROMPT_HELP = (
    "Say what you want to see. Ctrl+Enter generates; Ctrl+Up and Ctrl+Down give the selected words more or less weight. "
    "{red|blue} draws one of both for each picture."
)
PROMPT_EXAMPLE = "a red balloon above the sea"
NEGATIVE = "Negative prompt"
NEGATIVE_HELP = "what the picture should not show"
WEIGHTS_HELP = "Ctrl+Up and Ctrl+Down give the selected words more or less weight."
EMBEDDING = "embedding"
WILDCARD = "wildcard"
TAG = "tag"
STARTERS_WORD = "known to the starter"
SEARCH_WORDS = "Search these words"
NO_WORDS = "None of these words matches. Search for fewer letters."
CARDS = "LoRAs and embeddings"
SEARCH_CARDS = "Search names, trigger words and notes"
NO_CARDS = "None of these matches. Search for fewer letters."
ABOUT_IT = "About it"
TRIGGER_WORDS = "Trigger words"
FOR_NEGATIVE = "For the negative prompt:"
THINGS, PLACES, COLOURS, STYLES = "Things", "Places and skies", "Colours", "Styles"
SHORTCUTS = "Keyboard shortcuts"
SHORTCUT_KEYS = (
    ("Ctrl + Enter", "generate"),
    ("Ctrl + ↑, Ctrl + ↓", "give the selected words of a prompt more or less weight"),
    ("Shift + Enter", "begin a new line in a prompt"),
    ("↓, ↑, then Enter", "take a suggestion while you type a prompt; Esc closes the list"),
    ("B, E, F, M, H", "on the drawing: brush, eraser, fill, mask, move the view"),
    ("L, R, O", "on the drawing: line, rectangle, ellipse"),
    ("Arrows, Enter", "in the drawing: move a pointer, press and lift it"),
    ("Ctrl + Z, Ctrl + Y", "on the drawing: undo, redo"),
    ("?", "show these shortcuts"),
)
SKIP = "Go to the prompt"
LIVE_BEGUN = "Your picture is being made."
CLOSE = "Close"
WHEN_DONE = "When pictures are done"
WHEN_DONE_QUESTION = "Your picture was finished while you looked elsewhere. Shall a notification and a sound say so from now on?"
PICTURE_DONE = "Your picture is done."
TELL_ME, TELL_ME_NOT = "Yes, tell me", "No"
SETTINGS = "More settings"
READING = "How the prompt was read"
BOTH_ENCODERS = "Both text encoders of this checkpoint read it like this:"
REPERTOIRE = "What the starter can draw"
TEXT_TAB = "Text to image"
NEGATIVE_TAB = "Negative prompts"
OWN_SIZE = "Another size"
RANDOM_SEED = "random"
SEED = "Seed"
SEED_RANDOM = "Another seed for each picture"
SEED_LOCK = "Keep the seed of the picture that is shown"
SEED_HELP = "Leave empty for a new one each time. The same seed and settings give the same picture."
EXAMPLES = "Try"
FIRST_HINT = "Type a prompt and press Generate. Your picture appears here."
SKETCH_HINT = "Draw something, type what it should be, and press Generate."
UPSCALE_HINT = "Choose a picture and press Upscale."

PRESETS = "Presets"
PRESET = "Preset"
USE_PRESET = "Use"
REMOVE_PRESET = "Remove"
SAVE_PRESET = "Save both prompts"
PRESET_NAME = "Name of a new preset"
PRESET_HELP = "{prompt} in a preset stands for the prompt that it is applied to."
SAVED_FORMS = "Saved forms"
SAVED_FORM = "Saved form"
USE_FORM, REMOVE_FORM, SAVE_FORM = "Fill in", "Remove", "Save this form"
EXPORT_FORM, IMPORT_FORM = "Export this form", "Import a form"
FORM_NAME = "Name of this form"
FORM_HELP = "Every field is saved, with prompts, checkpoint and size."
UNNAMED_FORM = "form"
NAME_THE_FORM = "The form was not saved: give it a name first."
CHOOSE_FORM = "Choose a saved form first."
FORM_GONE = "It cannot be read any more. Choose it again."
NO_FORM = "This file is not a form that Easel exported. Choose one that “Export this form” saved."

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
PICTURE_MENU = "More …"
COPY_PROMPT = "Copy the prompt"
COPIED = "Copied"
DELETED = "The picture goes to the trash."
UNDO = "Undo"
MARKED = "Marked as a favourite: History lists it under “Favourites only”."
WORDS = "Words by effect, strongest first"
DEAD_WORDS = "These do nothing in this picture"
ALL_WORDS_COUNT = "Every word changes this picture."
WITHOUT_WORD = "The picture without this word, in full size"
ALL_WORDS, SLIM = "all words", "without these"
TRIMMED = "The words that did nothing were removed from the negative prompt."
NOT_THERE_ANY_MORE = "The negative prompt has changed since then and no longer contains any of these words."

STRIP = "This picture and earlier ones"
LARGE_PICTURE = "The picture over the whole window"
PREVIOUS_PICTURE = "Previous picture (left arrow)"
NEXT_PICTURE = "Next picture (right arrow)"
ZOOM = "Zoom"
FULL_SCREEN = "Full screen"
STOP = "Stop"
KEEP_GENERATING = "Keep generating until I stop"
CANCEL_WAITING = "Cancel them"
EMPTY_PROMPT = "The prompt was empty, so the checkpoint drew something of its own."
STOPPED = "Stopped. Unfinished pictures were not saved."
REUSED = "These settings are in the form now, including the seed."
SEED_KEPT = "Seed {seed} is used until you clear the field."
NO_RECORD = "This file contains no settings that Easel can read."
NOT_UPLOADED = "This file was not uploaded on this page, or more than a day ago. Upload it again."
IMAGE_GONE = "This picture is no longer in the outputs folder."

SPEED = "Speed"
AS_SET = "as the Settings tab says"
SPEEDS = {
    "exact": "Exact",
    "balanced": "Balanced: about 2.5 times as fast, nearly the same",
    "draft": "Draft: about 2.9 times as fast, another picture in its details",
    "few_steps": "Few steps: about 4, with a LoRA that was trained for it; another picture",
}
SCHEDULE = "Schedule"
AUTOMATIC_SCHEDULE = "Automatic"
SCHEDULE_HELP = "At which noise levels the steps are. Automatic: as is usual with the sampler."
PIPELINES_OWN = "the checkpoint's own"
GUIDANCE = "Guidance"
GUIDANCES = {
    "cfg": "Usual (CFG)",
    "pag": "Perturbed attention (PAG): clearer shapes, half as slow again",
    "cfg_zero": "CFG-Zero*: for Stable Diffusion 3.5",
    "apg": "Adaptive projection (APG): less glare at a high CFG scale",
    "slg": "Skip-layer guidance (SLG): better anatomy with Stable Diffusion 3.5 Medium",
}
GUIDANCE_HELP = "How the picture is led towards the prompt and away from the negative prompt."
OWN_RESCALE = "what the checkpoint needs"
SPEED_HELP = (
    "Measured against Exact, with the starter: Balanced PSNR 36.3 dB, GMSD 0.010; Draft 27.5 dB, 0.049. GMSD is a distance as an "
    "eye sees it: 0 is equal, 0.3 another picture."
)
PROGRAMS = "Other programs and computers"
ADDRESS_A1111 = "For programs made for AUTOMATIC1111"
ADDRESS_OPENAI = "For programs made for OpenAI"
ADDRESS_OWN = "For scripts of your own"
ADDRESS_NETWORK = "For other computers and phones"
API_DOCS = "all routes"
QR_CODE = "A phone on the same network opens Easel with this code."
NO_NETWORK = "This computer is on no network at the moment."
NOT_ON_NETWORK = (
    "Easel answers only programs on this computer. To open it on a phone or another computer, start it with --listen and a "
    "user's name; its address and a QR code then stand here."
)
KEYS_HELP = (
    "Give each program a key of its own in the place of the password. Only its fingerprint is kept, and it can be revoked "
    "without a new password."
)
KEYS_NOT_NEEDED = (
    "Easel asks for no password at the moment, so programs need no key. Keys count once it is started with --listen."
)
KEY_NAME = "Name of a new key"
KEY_NAME_HELP = "What the program is called that will use it"
ADD_KEY = "Make a key"
KEYS = "Keys"
REVOKE_KEY = "Revoke this key"
NEW_KEY = "Copy this key now: it is shown only this once."
KEYS_FOR_OWNERS = (
    "Here anybody on the network could change keys. Start Easel with a password, or use ./launch.sh key in a terminal."
)
NO_KEY_CHOSEN = "Choose the key that is to be revoked."

MACHINE = "This computer"
MACHINE_UNKNOWN = "The image generator is still starting. This section follows in a moment."
MACHINE_VERSION = "Easel's version"
WHATS_NEW = "What is new in it"
HOW_TO_UPDATE = (
    "Easel looks for no new version by itself. ./launch.sh --update (Windows: launch.bat --update) brings the newest one."
)
MACHINE_DEVICE = "Device"
MACHINE_MEMORY = "Memory"
MACHINE_KIND = "Precision, and why"
MACHINE_MEASURED = "Measured on this computer"
MACHINE_COMPILER = "Large networks are computed by"
MACHINE_THREADS = "CPU cores in use"
MACHINE_SELF_TEST = "Self-test"
FREE_MEMORY = "Free memory"
FREE_MEMORY_BUSY = "A picture is being made. The memory is freed as soon as it is done."
REPAIR = "Repair"
REPAIR_QUESTION = (
    "Repair downloads and installs Easel's parts again, up to 4 GB, for the graphics card and driver that are there now. Easel "
    "ends and starts again by itself. Your pictures, checkpoints and the queue stay."
)
REPAIRING = "Repairing ..."
QUIT_ELSEWHERE = "Easel can only be ended from the computer that it runs on."
REPAIR_ELSEWHERE = "Easel can only be repaired on the computer that it runs on."
REPAIR_BY_HAND = "To repair the set-up, close Easel and start it with: launch.sh --repair (on Windows: launch.bat --repair)."
DOES_NOT_FIT = "This does not fit into memory."

ADDITIONS = "LoRA, VAE, refiner, clip skip, guidance, variation"
VARY = "Four more like this"
VARIATION_SEED = "Variation seed"
VARIATION_STRENGTH = "Variation strength"
NO_VARIATION = "0: none; 0.1 varies a little"
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
EXTRA_OUTPUTS = "Pictures of other programs"
EXTRA_OUTPUTS_HELP = (
    "One folder per line, to look at and search in History (read only): the outputs of ComfyUI, AUTOMATIC1111, InvokeAI ..."
)
PRECISION = "Precision"
PRECISION_HELP = "Auto chooses what suits this computer and the checkpoint best."
COMPILE = "Compile large checkpoints for this device"
COMPILE_HELP = "Faster on graphics cards. The first picture of each size takes a few minutes longer; compiled code is kept."
KEEP_USABLE = "Keep my computer usable"
KEEP_USABLE_HELP = (
    "Pictures give way to your other programs and leave one CPU core free, so they take longer. After you switch this off, the "
    "core is used again at once, and the usual priority comes back when Easel starts again."
)
UNLOAD_MINUTES = "Unload checkpoints after"
UNLOAD_MINUTES_HELP = "Minutes without a picture; 0 for never. The next picture loads its checkpoint again."
LEAVE_METADATA_OUT = "Leave settings out of picture files"
LEAVE_METADATA_OUT_HELP = "Files then contain no prompt and no seed, so the picture cannot be made again from the file."
SAFETY_CHECKER = "Use a checkpoint's own safety checker"
SAFETY_CHECKER_HELP = "For checkpoints that include one. Pictures that it flags are withheld, and no previews are shown."
WATERMARK = "Invisible watermark"
WATERMARK_HELP = "A short text hidden in every picture of at least 256 × 256 pixels. Leave empty for none."

FILE_FORMAT = "Save pictures as"
FILE_FORMATS = {"png": "PNG: without losses", "jpeg": "JPEG: small, for photos", "webp": "WebP: smaller still"}
FILE_FORMAT_HELP = "Each holds the settings. Upscaled pictures and comparisons of negative prompts stay PNG."
QUALITY = "Quality of JPEG and WebP"
QUALITY_HELP = "1 to 100. WebP at 100 is without losses."
NAME_PATTERN = "Names of picture files"

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
BEFORE, AFTER = "Before", "After"
NOTHING_TO_UPSCALE = "There is no picture to upscale. Choose one or more first."

YOURS = "Your checkpoints"
SUITS = {
    "recommended": "Recommended for this computer",
    "usable": "Works here, more slowly",
    "too large": "Needs more memory than is free here",
    "unknown": "",
}
"""How a checkpoint suits the computer, by :func:`engine.plan.reference_checkpoints.judge`."""

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
FOR_UNKNOWN_FAMILY = "for a family that its name does not say: choose it under “Why?”"
PREDICTS = "It predicts"
TO_TRASH = "Move to the trash"
JOBS_MAY_NEED_IT = "Jobs run or wait, and any of them may need this file. Move it to the trash when the queue is empty."
USUAL_VAE = "Usual VAE"
USUAL_STEPS = "Usual steps"
USUAL_GUIDANCE = "Usual CFG scale"
WORDS_BEFORE = "Words before every prompt"
NO_WORDS_BEFORE = "none"
FILE_GONE = "This file is no longer there. Press “Look again”."
CHOICE_KEPT = "Saved for this file. Used from the next picture on."


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
HIRES = "Hires fix"
HIRES_BOX = "Hires fix: large pictures in two passes"
HIRES_SWITCH = {"": "For sizes that need it", "on": "On", "off": "Off"}
HIRES_HELP = (
    "Far above the size that a checkpoint was trained at, it draws things twice. So the picture is drawn smaller first, then "
    "enlarged and repainted."
)
HIRES_FACTOR_HELP = "empty: up to the size above"
HIRES_SAME = "as in the first pass"
HIRES_FITTING = "by how much it is enlarged"
HIRES_UPSCALERS = {"": "The built-in upscaler", "latent": "Latent: no upscaler, changes more", "lanczos": "Lanczos: no upscaler"}
MASK_AREA = "Work on"
MASK_AREAS = {
    "region": "The part around the mask; the photo keeps its size, and all the rest of it",
    "picture": "The whole picture, at the width and height above",
}
FILL = "The part begins with"
FILLS = {
    "original": "What is there",
    "fill": "The colours around it",
    "noise": "Noise",
    "nothing": "Nothing",
    "lama": "What LaMa paints (needs its file)",
}
SOFT_MASK = "Soft: grey parts of the mask, and its feather, change less"
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
PAD_KEYS = (
    "The arrow keys move a pointer, with Shift by one pixel. Enter or Space presses it and lifts it again; Escape takes back "
    "what was begun. Plus and minus zoom. Letters choose the tool."
)
PAD_TOOLBAR, PAD_COLOURS, PAD_BEGIN = "Drawing tools", "Colours", "Begin with a picture or an example"
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
    "line": "Line (L)",
    "rectangle": "Rectangle (R)",
    "ellipse": "Ellipse (O)",
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
    "others": "The pad takes one picture at a time: only “{name}” was taken, of {count}. Drop the others one at a time.",
    "full": "The browser has no space left to keep the drawing across a reload. Free some space, or save the result soon.",
    "away": "Easel does not respond. Check that its window is still open, then try again.",
}


REUSE = "Reuse these settings"
REUSE_TEMPLATE = "Reuse with all variants"
ONE_OF_VARIANTS = "The prompts have variants, of which each picture draws its own by its seed. This is how one of them is read."
MARK = "☆ Favourite"
UNMARK = "★ Favourite"
STOP_COMPARING = "Stop comparing"
COMPARE_HINT = "Now choose the picture to compare it with."
SAME_SETTINGS = "Both were made with the same settings."
SHOW_FILE = "Show the file"
TRASH = "Delete"
REALLY_TRASH = "Move this picture to the trash?"
SELECT_MANY, SELECT_NONE, SELECTED = "Select several", "Select none", "{count} selected"
UNMARK_MANY = "No favourite"
DISK = "What Easel keeps on the disk"
DISK_OUTPUTS = "Pictures"
DISK_MODELS = "Checkpoints and other files in Easel’s models folder"
DISK_BLOBS = "Drawings, pictures that you brought, and drafts"
DISK_THUMBNAILS = "Thumbnails (a cache)"
DISK_COMPILED = "Compiled networks (a cache)"
REMOVE_CACHES = "Remove the caches"
CACHES_IN_USE = "A job runs or waits and may need them. Try again when the queue is empty."
REALLY_TRASH_MANY = "Move all selected pictures to the trash?"
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
STUDIES = "Trials of each word too"
ALBUM = "Folder"
OWN_IMAGES = "Easel's pictures"
NOT_OWN_IMAGE = "This picture belongs to another program, so Easel leaves it as it is. Change or delete it in that program."

CONTROL_MODE_NAMES = {
    "balanced": "Balanced", "prompt": "My prompt is more important", "control": "The control is more important",
}  # fmt: skip
"""Name of a control's mode -> what the page calls it, as other programs do."""

PREPROCESSOR_NAMES = {
    "none": "Use it as it is: it is a map already", "invert": "Turn black lines on white to white on black",
    "lines": "The lines of a drawing", "scribble": "Scribble", "canny": "Hard edges (canny)", "soft_edges": "Soft edges",
    "line_art": "Line art", "threshold": "Black and white", "tile": "The picture itself (tile)", "blur": "Blurred",
    "colours": "Colours in a grid", "inpaint": "The picture without its masked part",
}  # fmt: skip
"""Name of a preprocessor -> what it makes of a picture."""

KEEP_LINES = "Keep my lines"
KEEP_COLOURS = "Keep my colours"
LINES_MODEL = "What reads my lines"
LINES_HELP = "The lines are taken from the layer that is chosen on the sheet, whatever their colour."
LINES_WEIGHT = "How closely: 0 not at all, 1 as drawn, 2 by force"
CONTROLS = "Guide by pictures (ControlNet, T2I-Adapter)"
CONTROLS_HELP = (
    "A picture gives outlines, depth or a pose, and the prompt says the rest. Choose the picture and the ControlNet or "
    "T2I-Adapter that reads it. A map can be downloaded, changed in any program and chosen again as it is."
)
CONTROL_PICTURE = "Picture"
CONTROL_MODEL = "ControlNet or T2I-Adapter"
CONTROL_MAP = "What is taken from the picture"
CONTROL_WEIGHT = "Weight"
CONTROL_START = "From this share of the steps"
CONTROL_END = "Until this share of the steps"
CONTROL_MODE = "What counts more"
PIXEL_PERFECT = "Pixel perfect: as fine as the result"
SHOW_MAP = "Show what it reads"
CONTROL_MAP_SHOWN = "What the ControlNet reads"
DOWNLOAD_MAP = "Download"
NO_CONTROL = "None"
NO_CONTROL_FITS = "None in your folders fits this checkpoint"
SUGGESTED_PREPROCESSOR = "What this ControlNet reads"
CONTROL_SHOWS = "What the map shows"
SHOWN_BY_NAME = "What is taken from the picture"

INFO_TAB = "Image info"
DROP_IMAGE = "Drop a picture here, or press to choose one"
DROP_HINT = "Drop any picture: Easel shows what its file contains, whichever program made it, and what can be used again."
USE_SETTINGS = "Use these settings"
DESCRIBE = "Describe"
DESCRIBE_PICTURE = "Describe this picture"
DESCRIBE_DRAWING = "Describe the drawing as a prompt"
CAPTIONER = "Described by"
LEAST_CONFIDENCE = "Least confidence of a tag"
IN_WORDS = "The picture in words"
USE_AS_PROMPT = "Use as prompt"
NOTHING_TO_DESCRIBE = "Drop a picture here first, then press Describe."
NOTHING_SEEN = "Nothing was certain enough to be named. Lower the least confidence of a tag, or choose another captioner."
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
GO_THERE = "Go to its tab"
MOVE_UP, MOVE_DOWN = "Move up", "Move down"
DISMISS = "Dismiss"
TO_FRONT = "Move to the front"
CANCEL = "Cancel"
CANCEL_ALL = "Cancel all"
PAUSE_QUEUE = "Pause"
PAUSE_HELP = "What runs now is finished; nothing further starts until you press Resume."
RESUME_QUEUE = "Resume"
QUEUE_PAUSED = "The queue is paused: waiting jobs start when you press Resume."
AGAIN = "Try again"
LOADING = "Preparing"
NO_PROMPT = "(no prompt)"

GRID_BOX = "Grid: many pictures at once"
GRID_HELP = (
    "A picture for each combination, and a labelled sheet. Write values with commas between them, in double quotes if they "
    "hold a comma; numbers may be ranges: 1-5, 10-50 (+10), 0-1 [5]. Words to be replaced begin with those in the prompt."
)
GRID_SIDES = {"x": "Across", "y": "Down", "z": "In blocks"}
GRID_VALUES = {"x": "Values across", "y": "Values down", "z": "Values of the blocks"}
GRID_NONE = "nothing"
PROMPT_MATRIX = "Prompt matrix: parts after | in the prompt"
GRID_NO_FIELD = "There are values for the grid ({side}), but nothing that they are values of. Choose it, or take the values out."
