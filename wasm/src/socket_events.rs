//! What JavaScript tells of an engine's sockets and of its timer.

#![expect(unsafe_code, reason = "JavaScript calls by names")]

use outpour_core::ErrorCode;
use outpour_core::session::{Input, Lost, TransportId};

use crate::exchange::{take_bytes, take_text};
use crate::{driver::EARLY_SUBPROTOCOL, engines};

/// A socket is open. Its subprotocol is the argument.
#[unsafe(no_mangle)]
extern "C" fn opened(engine: u32, socket: u32) {
    let early_taken = take_text() == EARLY_SUBPROTOCOL;
    if let Some(driver) = engines::get(engine) {
        driver.handle_open(TransportId(socket.into()), early_taken);
    }
}

/// A socket received the argument.
#[unsafe(no_mangle)]
extern "C" fn received(engine: u32, socket: u32) {
    let message = take_bytes();
    handle(engine, Input::Message(TransportId(socket.into()), &message));
}

/// A socket received a text.
#[unsafe(no_mangle)]
extern "C" fn received_text(engine: u32, socket: u32) {
    handle(engine, Input::TextMessage(TransportId(socket.into())));
}

/// A socket says that it failed, with the argument. A close follows, except from some implementations for a connection that
/// is refused.
#[unsafe(no_mangle)]
extern "C" fn failed(engine: u32, socket: u32) {
    let detail = take_text();
    if let Some(driver) = engines::get(engine) {
        driver.handle_failure(TransportId(socket.into()), detail);
    }
}

/// A socket was closed, with a code and for the reason that is the argument.
#[unsafe(no_mangle)]
extern "C" fn closed(engine: u32, socket: u32, code: u16) {
    let reason = take_text();
    let Some(driver) = engines::get(engine) else { return };
    let id = TransportId(socket.into());
    let known = match ErrorCode::from_number(code) {
        Some(known) => known,
        None if code == 1009 => ErrorCode::MessageTooLarge,
        None if driver.is_open(id) => ErrorCode::ConnectionLost,
        None => ErrorCode::ConnectFailed,
    };
    driver.handle_lost(id, Lost { code: known, detail: reason });
}

/// The timer rings.
#[unsafe(no_mangle)]
extern "C" fn tick(engine: u32) {
    if let Some(driver) = engines::get(engine) {
        driver.handle_tick();
    }
}

fn handle(engine: u32, input: Input<'_>) {
    if let Some(driver) = engines::get(engine) {
        driver.handle_input(input);
    }
}
