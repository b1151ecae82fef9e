"""Which checkpoints, LoRAs, embeddings, VAEs and upscalers are on this computer. Does not import torch."""
