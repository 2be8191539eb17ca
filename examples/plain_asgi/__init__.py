"""An ASGI application without any framework."""
