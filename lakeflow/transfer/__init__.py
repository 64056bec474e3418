"""Files on their way between this machine and a filesystem: many at once, and checked."""
