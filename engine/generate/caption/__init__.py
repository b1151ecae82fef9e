"""Images put into words."""
