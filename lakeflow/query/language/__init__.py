"""Filters and orders: from strings to checked trees."""
