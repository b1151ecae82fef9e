"""Code that depends on Gradio's internals. Each part says why it is needed; ``tests/ui/compat`` shows what an upgrade broke."""
