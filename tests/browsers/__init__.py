"""Real browsers, driven over one small interface; see `tab.Tab`."""
