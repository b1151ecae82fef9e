"""Whether a negative prompt does anything: when it cannot, how much it changed a picture, and which words did. No torch."""
