//! The Outpour gateway: a pure broker, the fan-out to sessions, and the IO around them.

pub mod auth;
pub mod broker;
pub mod config;
pub mod fanout;
pub mod gateway;
pub mod log;
pub mod site;
pub mod topics;
pub mod websocket;
