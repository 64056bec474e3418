"""Moving out: what a lake holds becomes runs of another tracker, or files for any tool."""
