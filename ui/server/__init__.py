"""The HTTP server: routes, middleware, and who may send requests."""
