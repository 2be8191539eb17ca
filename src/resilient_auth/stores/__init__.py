"""Where sessions are kept: one driver a file, all with the same verbs."""
