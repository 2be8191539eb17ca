"""The demo in real browsers, as a person meets it."""
