"""Ours beside the peers, in one run, as ratios; `make bench` prints the table."""
