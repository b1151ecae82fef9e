"""The routes of OpenAI's images API under ``/v1``, as its clients use them."""
