"""One file and one function a tab."""
