"""The checkpoints, LoRAs, embeddings, VAEs and upscalers on this computer. Does not import torch."""
