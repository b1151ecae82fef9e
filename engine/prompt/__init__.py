"""Prompts: their syntax (grammar), their tokens (tokens), and the encodings that the UNet receives (encoding)."""
