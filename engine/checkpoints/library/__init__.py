"""Which checkpoints, LoRAs, embeddings, VAEs and upscalers are on this computer. Free of torch."""
