"""How the starter checkpoint was made: draw images, train, measure, export. Never imported by engine or ui."""
