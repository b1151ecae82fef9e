"""What is added to a checkpoint for a run: LoRAs and related adapters, textual inversion embeddings, a separate VAE."""
