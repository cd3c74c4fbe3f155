#![no_std]
//! Placeholder until the crate is written.
