"""What scenes are made of: tables of things, backgrounds, weather and styles, and the functions that draw them."""
