"""Records: appended by their writers, found by position; and the control log."""
