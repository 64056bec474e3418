"""Moving around: what one lake holds, and another one does not have yet."""
