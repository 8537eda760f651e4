//! The module against real servers: one file per subject.
