"""A service behind the notes API that knows who calls, and holds no secret."""
