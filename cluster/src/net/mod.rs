//! Sockets: listeners, the connections that they accept, and who holds a port.

pub mod holder;
pub mod listener;
pub mod serve;
