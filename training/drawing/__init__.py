"""What the scenes are made of: tables of things, backgrounds, air and styles, and the functions that draw them."""
