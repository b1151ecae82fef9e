#!/bin/sh
# Starts Easel in its container. The password comes from EASEL_PASSWORD; further flags are those of app.py.

# What is mounted on the models' folder hides the starters that come with Easel.
cp -R -n models/. "$EASEL_MODELS"/ || echo "The starters could not be copied into $EASEL_MODELS; Easel needs checkpoints there." >&2

exec .venv/bin/python app.py --no-browser --listen easel "$@"
