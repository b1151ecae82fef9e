"""The Sketch to image tab and its drawing pad."""
