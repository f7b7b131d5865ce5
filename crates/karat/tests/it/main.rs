//! What a person or a script sees of `karat`: each test starts the program in a project of its own and compares text and codes.

#![allow(clippy::unwrap_used)]

mod first_run;
mod mistakes;
mod project;
mod queries;
mod runs;
mod soak;
