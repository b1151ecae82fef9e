"""What is added to a checkpoint for a run: LoRAs and their kin, textual inversion embeddings, another VAE."""

from engine.checkpoints.adapters.additions import NOTHING, Additions, apply_additions, check_family
from engine.checkpoints.adapters.merge import Lora, MergedLoras

__all__ = ["NOTHING", "Additions", "Lora", "MergedLoras", "apply_additions", "check_family"]
