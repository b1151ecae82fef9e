"""All that reaches into Gradio's insides. Each thing says why it is needed; ``tests/ui/compat`` names what an upgrade broke."""
