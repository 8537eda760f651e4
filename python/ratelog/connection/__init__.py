"""How servers are asked: the only part that differs between the asynchronous and the synchronous limiter."""
