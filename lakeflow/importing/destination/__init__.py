"""Where imports go: items become records of a lake, a module for each kind of thing."""
