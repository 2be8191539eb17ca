"""
An application that refuses to start: two classes are called ``User``.

Start it with ``uvicorn examples.duplicate_models.app:app``; it tells both, and ends.
"""
