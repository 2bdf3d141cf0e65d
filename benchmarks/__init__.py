"""Speed and memory of the library against the plain way of doing the same."""
