"""The web: requests become values, decisions become answers."""
