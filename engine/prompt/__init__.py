"""The words of a request: their language (grammar), their tokens (tokens), and what the UNet gets of them (encode)."""
