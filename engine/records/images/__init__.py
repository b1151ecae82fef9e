"""Image files: opened, their embedded metadata, thumbnails, watermarks, PNG written by rows. Free of torch."""
