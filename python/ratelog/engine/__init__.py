"""The decisions of a limiter, without I/O: operations yield commands and receive their replies."""
