"""What may stand in a prompt: completion while it is typed, the starter's words as chips, LoRAs and embeddings as cards."""
