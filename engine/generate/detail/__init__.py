"""A part of an image, or an image beyond a checkpoint's own size, worked on where the checkpoint draws best."""
