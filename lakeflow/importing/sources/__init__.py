"""Readers of what others hold, a module for each."""
