"""A small API in FastAPI: notes that only their owner sees."""
