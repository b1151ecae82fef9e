"""The small checkpoint that ships with Easel. Its file ``starter.json`` says what it was trained on, and its recommended
settings."""

from __future__ import annotations

from engine.checkpoints.families.family import Family

FAMILIES = (
    Family(
        name="starter", label="Easel starter", marker_file="starter.json", native_size=256, size_multiple=16,
        prediction_type_varies=False, is_bundled=True,
    ),
)  # fmt: skip
