"""Bytes: one interface, what stands behind it, and how a location is opened."""
