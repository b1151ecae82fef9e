"""The wide starter: what it draws, at 256 x 256."""
