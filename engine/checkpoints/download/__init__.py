"""Downloads checkpoints, only when the user asks for it. Does not import torch."""
