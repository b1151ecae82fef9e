"""What is added to a checkpoint for a run: LoRAs and their kin, textual inversion embeddings, another VAE."""
