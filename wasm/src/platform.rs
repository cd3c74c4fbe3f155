//! What the npm package does for a session: `bindings/js/src/boundary.ts` has the other side of each function.
//!
//! An engine and its sockets are known by numbers. Texts and bytes are pointers with lengths, read before the function
//! returns.

#![expect(unsafe_code, reason = "the platform is called by names")]

#[link(wasm_import_module = "o")]
unsafe extern "C" {
    /// There is something to take. Said once until it has been taken.
    pub(crate) safe fn ready(engine: u32);

    /// Opens a `WebSocket`; `protocols` are the subprotocols to offer, with a comma between them.
    safe fn open(engine: u32, socket: u32, url: *const u8, url_len: usize, protocols: *const u8, protocols_len: usize);

    /// Sends a message over a socket that is open. One that fails says so by its close event.
    safe fn send(engine: u32, socket: u32, message: *const u8, len: usize);

    /// How many bytes wait in a socket.
    pub(crate) safe fn buffered(engine: u32, socket: u32) -> u32;

    /// Closes a socket with a code, 0 for none. What is still to be sent is sent; no event of it comes any more.
    pub(crate) safe fn close(engine: u32, socket: u32, code: u32);

    /// Sets an engine's only timer anew, to so many milliseconds.
    pub(crate) safe fn wake(engine: u32, milliseconds: f64);

    /// Milliseconds of a clock that never runs backwards.
    pub(crate) safe fn monotonic_now() -> f64;

    /// Milliseconds of the wall clock.
    pub(crate) safe fn wall_now() -> f64;
}

/// Opens a `WebSocket` that offers these subprotocols, with a comma between them.
pub(crate) fn open_socket(engine: u32, socket: u32, url: &str, protocols: &str) {
    open(engine, socket, url.as_ptr(), url.len(), protocols.as_ptr(), protocols.len());
}

/// Sends a message over a socket that is open.
pub(crate) fn send_message(engine: u32, socket: u32, message: &[u8]) {
    send(engine, socket, message.as_ptr(), message.len());
}
