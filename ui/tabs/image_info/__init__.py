"""The Image info tab."""
