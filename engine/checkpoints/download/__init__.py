"""Fetching checkpoints, only when the user asks for it. Free of torch."""
