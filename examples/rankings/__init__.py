"""A league's rankings on the web: the same three pages in callback, relax and async style."""
