"""Presets as the page offers them: Easel's own, AUTOMATIC1111's styles.csv, and the user's file."""

from __future__ import annotations

from engine.errors import EaselError
from engine.prompt.presets import BUILT_IN, Preset, read_presets, remove_preset, save_preset
from engine.settings import Settings
from ui import messages
from ui.common import result_view

FILE, FOREIGN = "presets.toml", "styles.csv"
"""The user's file in the data folder; AUTOMATIC1111's, there or in the models folder."""


class Presets:
    """All presets that there are now: the files are read again each time, for they may be written by hand meanwhile."""

    def __init__(self, settings: Settings) -> None:
        self._own = settings.data / FILE
        self._read_too = (settings.data / FOREIGN, settings.models / FOREIGN)

    def all(self) -> tuple[dict[str, Preset], str]:
        """By name, the user's before others of the same name; and what to say about the files."""
        found, troubles = list(BUILT_IN), []
        for path in (*self._read_too, self._own):
            try:
                read = read_presets(path)
            except EaselError as error:
                troubles.append(str(error))
                continue
            found += read.presets
            troubles += read.problems
        return {preset.name: preset for preset in found}, "".join(result_view.says(each, "trouble") for each in troubles)

    def use(self, name: str | None, prompt: str, negative_prompt: str) -> tuple[str, str, str]:
        """Both prompts with a preset's words in them, and what to say."""
        preset = self.all()[0].get(name or "")
        if preset is None:
            return prompt, negative_prompt, result_view.says(messages.CHOOSE_PRESET, "trouble")
        return *preset.apply(prompt, negative_prompt), result_view.says(messages.preset_used(preset.name))

    def save(self, name: str, prompt: str, negative_prompt: str) -> str:
        """Keep both prompts as a preset; what to say."""
        if not (prompt.strip() or negative_prompt.strip()):
            return result_view.says(messages.EMPTY_PRESET, "trouble")
        try:
            save_preset(self._own, Preset(name.strip(), prompt, negative_prompt))
        except EaselError as error:
            return result_view.says(str(error), "trouble")
        return result_view.says(messages.preset_saved(name.strip(), self._own))

    def remove(self, name: str | None) -> str:
        """Take one of the user's own presets out of the file; what to say."""
        try:
            if (name or "") not in {preset.name for preset in read_presets(self._own).presets}:
                return result_view.says(messages.preset_not_yours(name, self._own), "trouble")
            remove_preset(self._own, name or "")
        except EaselError as error:
            return result_view.says(str(error), "trouble")
        return result_view.says(messages.preset_removed(name or ""))
