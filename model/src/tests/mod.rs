//! Each test quotes where the behaviour is written down.

mod kit;

mod authorize;
