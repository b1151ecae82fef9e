"""Encodes prompts with the text encoders of a loaded checkpoint."""
