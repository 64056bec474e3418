"""Tools for testing lakes and filesystems; shipped so that others can use them."""
