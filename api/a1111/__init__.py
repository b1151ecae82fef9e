"""The routes of AUTOMATIC1111's program under ``/sdapi/v1``, as its clients use them."""
