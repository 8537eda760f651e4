"""What a limiter decides, without I/O: each operation yields the commands to send and receives their replies."""
