"""How the starter checkpoint was made: draw pictures, train on them, measure, export. Never imported by the engine or the page."""
