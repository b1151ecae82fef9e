"""The Negative prompts tab."""
