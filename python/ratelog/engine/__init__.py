"""What a limiter decides, without doing any I/O."""
