"""Pictures put into words, on Image info, Sketch to image and everywhere that a finished picture is shown."""
