"""Pictures that guide an image, on the page: their fields, the maps that are made of them, and the requests' controls."""
