//! Runs the examples in README and `docs/`, and a server with `redis.conf.example`.

mod docs;
mod example_conf;
mod operations;
