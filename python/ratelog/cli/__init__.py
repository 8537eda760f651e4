"""The command line, `python -m ratelog`."""
