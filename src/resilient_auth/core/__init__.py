"""Decisions: pure functions from values to values, without clock or I/O."""
