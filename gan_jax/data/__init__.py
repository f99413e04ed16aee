"""Data sources, one file each, and the order in which their examples come."""
