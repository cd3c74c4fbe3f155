//! One `WebSocket`, and the closures that belong to it.

use std::rc::Weak;

use js_sys::{Array, ArrayBuffer, Function, Reflect, Uint8Array};
use outpour_core::ErrorCode;
use outpour_core::session::{Input, Lost, TransportId};
use outpour_core::wire::SUBPROTOCOL;
use wasm_bindgen::prelude::*;
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use crate::driver::Driver;

/// What a gateway chooses that takes a message along with the upgrade.
const EARLY_SUBPROTOCOL: &str = "outpour.v1.early";
/// Bytes that may wait in the socket before it takes no more.
const WRITE_BYTES: u32 = 128 << 10;
/// `readyState` of a socket that is open.
const OPEN: u16 = 1;

/// A socket. Its handlers are taken off before it is closed and before they are dropped: a browser would call
/// closures that are no more.
pub(crate) struct Socket {
    socket: WebSocket,
    is_open: bool,
    _handlers: [Closure<dyn FnMut(JsValue)>; 4],
    /// Stays on a socket that is left: some implementations throw an error that nobody listens to.
    ignore: JsValue,
}

impl Socket {
    /// Opens a socket with the constructor that the platform or the application provides.
    pub(crate) fn open(
        constructor: &Function,
        url: &str,
        early: Option<&[u8]>,
        id: TransportId,
        driver: &Weak<Driver>,
        ignore: &JsValue,
    ) -> Result<Self, String> {
        let protocols = Array::new();
        if let Some(early) = early {
            protocols.push(&EARLY_SUBPROTOCOL.into());
            protocols.push(&SUBPROTOCOL.into());
            protocols.push(&format!("hello.{}", base64_url(early)).into());
        } else {
            protocols.push(&SUBPROTOCOL.into());
        }
        let socket: WebSocket = Reflect::construct(constructor, &Array::of2(&url.into(), &protocols))
            .map_err(|error| describe(&error))?
            .unchecked_into();
        socket.set_binary_type(BinaryType::Arraybuffer);
        let on = |handle: fn(&Driver, TransportId, JsValue)| {
            let driver = driver.clone();
            Closure::<dyn FnMut(JsValue)>::new(move |event| {
                if let Some(driver) = driver.upgrade() {
                    handle(&driver, id, event);
                }
            })
        };
        let opened = on(|driver, id, _| driver.handle_open(id));
        let message = on(|driver, id, event| handle_message(driver, id, &event));
        let closed = on(|driver, id, event| handle_close(driver, id, &event));
        // A close follows, except from some implementations for a connection that is refused.
        let failed = on(|driver, id, event| driver.handle_failure(id, &describe(&event)));
        socket.set_onopen(Some(opened.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(closed.as_ref().unchecked_ref()));
        socket.set_onerror(Some(failed.as_ref().unchecked_ref()));
        Ok(Self { socket, is_open: false, _handlers: [opened, message, closed, failed], ignore: ignore.clone() })
    }

    pub(crate) const fn note_open(&mut self) {
        self.is_open = true;
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.is_open
    }

    pub(crate) fn early_taken(&self) -> bool {
        self.socket.protocol() == EARLY_SUBPROTOCOL
    }

    /// Whether it may be given more to send.
    pub(crate) fn takes_more(&self) -> bool {
        self.is_open && self.socket.buffered_amount() < WRITE_BYTES
    }

    /// What to call `send` on, without the socket being held.
    pub(crate) fn handle(&self) -> WebSocket {
        self.socket.clone()
    }

    fn take_handlers_off(&self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        self.socket.set_onerror(self.ignore.dyn_ref());
    }

    /// Closes it: what is still to be sent is sent.
    pub(crate) fn close(&self, code: u16) {
        self.take_handlers_off();
        // Scripts may use 1000 and 3000 to 4999 only.
        let _closing = self.socket.close_with_code(if (3000..5000).contains(&code) { code } else { 1000 });
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.take_handlers_off();
        if self.socket.ready_state() <= OPEN {
            let _closing = self.socket.close();
        }
    }
}

impl core::fmt::Debug for Socket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Socket")
    }
}

fn handle_message(driver: &Driver, id: TransportId, event: &JsValue) {
    let data = event.unchecked_ref::<MessageEvent>().data();
    match data.dyn_ref::<ArrayBuffer>() {
        Some(buffer) => driver.handle_input(Input::Message(id, &Uint8Array::new(buffer).to_vec())),
        // Sockets of other realms and of scripts hand over what is no `ArrayBuffer` of ours, but bytes.
        None if data.is_object() => driver.handle_input(Input::Message(id, &Uint8Array::new(&data).to_vec())),
        None => driver.handle_input(Input::TextMessage(id)),
    }
}

fn handle_close(driver: &Driver, id: TransportId, event: &JsValue) {
    let event: &CloseEvent = event.unchecked_ref();
    let (code, reason) = (event.code(), event.reason());
    let lost = match ErrorCode::from_number(code) {
        Some(known) => known,
        None if code == 1009 => ErrorCode::MessageTooLarge,
        None if driver.is_open(id) => ErrorCode::ConnectionLost,
        None => ErrorCode::ConnectFailed,
    };
    let detail = if reason.is_empty() { format!("the WebSocket was closed with code {code}") } else { reason };
    driver.handle_lost(id, Lost { code: lost, detail });
}

/// What an error or an error event says.
fn describe(error: &JsValue) -> String {
    Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string()).unwrap_or_default()
}

fn base64_url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}
