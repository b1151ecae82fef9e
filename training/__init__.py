"""How the starter checkpoint was made: draw pictures, train, measure, export. Never imported by engine or ui."""
