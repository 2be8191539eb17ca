"""The ORM guard: duplicate class names are refused before the first query."""
