//! README, `docs/` and `redis.conf.example`, executed.

mod docs;
mod example_conf;
mod operations;
