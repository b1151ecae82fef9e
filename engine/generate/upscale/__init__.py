"""Images upscaled in tiles, by networks, Lanczos or Stable Diffusion."""
