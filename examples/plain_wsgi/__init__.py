"""A WSGI application without a framework."""
