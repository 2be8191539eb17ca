"""Load, ask core, commit, tell: the shells around the decisions."""
