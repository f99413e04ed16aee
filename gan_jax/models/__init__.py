"""Generators and discriminators, one file an architecture."""
