"""How the starter checkpoint was made: draw scenes, train, evaluate, export. Never imported by engine or ui."""
