"""The wide starter: scenes of 256 x 256, their captions, and everything that learns from them."""
