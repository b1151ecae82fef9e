"""The Text to image tab."""
