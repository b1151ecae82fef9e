"""Measures whether negative prompts work with the starter, through the engine as a user runs it.

`python -m training.evaluate_negatives models/starter` generates "a cat and a dog" with and without the negative prompt "dog", and
studies a negative prompt in which only one word matters. It prints both results.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from engine import CompareNegative, Local, Settings, StudyNegative
from engine.negative import study
from training.judge import WEIGHTS, Judge, detect_things, load_judge
from training.scenes import NATIVE_SIZE

PROMPT, KEPT, UNWANTED = "a cat and a dog", "cat", "dog"
IDLE_WORDS: dict[str, tuple[str, ...]] = {
    "words that name nothing": ("beautiful", "cute", "colorful", "detailed", "masterpiece"),
    "things that are not there": ("castle", "rocket", "umbrella", "guitar", "whale"),
}
"""Words in the starter's vocabulary for nothing in the image. Things are the harder case: they were mostly seen with certain
skies and grounds, so as negatives they also suppress those."""


def name_things(network: Judge, paths: Iterable[Path]) -> list[frozenset[str]]:
    """The things that the judge detects in each image."""
    return detect_things(
        network, [np.asarray(Image.open(path).convert("RGB").resize((NATIVE_SIZE, NATIVE_SIZE))) for path in paths]
    )


def count_things(easel: Local, network: Judge, checkpoint: str, seeds: range, steps: int | None = None) -> dict[str, int]:
    """In how many images, one per seed, the unwanted and the kept thing are detected, without and with the negative prompt."""
    pairs = [
        easel.make(CompareNegative(prompt=PROMPT, negative_prompt=UNWANTED, checkpoint=checkpoint, seed=seed, steps=steps))
        for seed in seeds
    ]
    given, without = (name_things(network, [pair[side].path for pair in pairs]) for side in (0, 1))
    return {
        f"{UNWANTED} without the negative": sum(UNWANTED in things for things in without),
        f"{UNWANTED} with the negative “{UNWANTED}”": sum(UNWANTED in things for things in given),
        f"{KEPT} without the negative": sum(KEPT in things for things in without),
        f"{KEPT} with the negative “{UNWANTED}”": sum(KEPT in things for things in given),
    }


def rank_unwanted(easel: Local, checkpoint: str, idle: tuple[str, ...], seeds: range, steps: int | None = None) -> list[int]:
    """For each seed, the rank (from 1) of the word that matters among the ``idle`` ones, by the effect of each word."""
    found = []
    for seed in seeds:
        # The word that matters is at a different position for each seed, so that the position alone cannot explain its rank.
        words = list(idle)
        words.insert(seed % (len(words) + 1), UNWANTED)
        asked = StudyNegative(prompt=PROMPT, negative_prompt=", ".join(words), checkpoint=checkpoint, seed=seed, steps=steps)
        images = {number: result.path for number, result in enumerate(easel.make(asked))}
        order = [finding.term.text for finding in study.summarize(asked, images).found]
        found.append(order.index(UNWANTED) + 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the starter's folder")
    parser.add_argument("--judge", type=Path, default=WEIGHTS)
    parser.add_argument("--seeds", type=int, default=100, help="seeds of the count")
    parser.add_argument("--studies", type=int, default=10, help="seeds of the ranking")
    options = parser.parse_args()
    network, checkpoint = load_judge(options.judge), str(options.folder.resolve())
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=Path(folder, "data"), outputs=Path(folder, "outputs"))
        with Local(settings) as easel:
            for row, count in count_things(easel, network, checkpoint, range(options.seeds)).items():
                print(f"“{PROMPT}”: {row:<36} {count:>4} of {options.seeds}", flush=True)
            for kind, idle in IDLE_WORDS.items():
                places = rank_unwanted(easel, checkpoint, idle, range(options.studies))
                first = f"{sum(place == 1 for place in places)} of {options.studies} seeds"
                print(f"“{UNWANTED}” does more than {len(idle)} {kind} in {first}; its places: {places}", flush=True)


if __name__ == "__main__":
    main()
