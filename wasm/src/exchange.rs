//! How texts and bytes cross the boundary: JavaScript writes a call's arguments, one behind the other, where
//! [`arguments`] says, and reads what a call answers where [`answer`] says, before it calls anything else.

#![expect(unsafe_code, reason = "JavaScript calls by names")]

use std::cell::RefCell;

thread_local! {
    static ARGUMENTS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static ANSWER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Where the next call's arguments belong, `len` bytes of them.
#[unsafe(no_mangle)]
extern "C" fn arguments(len: usize) -> *mut u8 {
    ARGUMENTS.with_borrow_mut(|arguments| {
        *arguments = vec![0; len];
        arguments.as_mut_ptr()
    })
}

/// Where the last call's answer is.
#[unsafe(no_mangle)]
extern "C" fn answer() -> *const u8 {
    ANSWER.with_borrow(|answer| answer.as_ptr())
}

/// What JavaScript wrote. There is nothing more then.
pub(crate) fn take_bytes() -> Vec<u8> {
    ARGUMENTS.take()
}

/// The same as text; empty if it is none.
pub(crate) fn take_text() -> String {
    String::from_utf8(take_bytes()).unwrap_or_default()
}

/// A text and the bytes behind its first `len`.
pub(crate) fn take_text_and_bytes(len: usize) -> (String, Vec<u8>) {
    let mut text = take_bytes();
    let bytes = text.split_off(len.min(text.len()));
    (String::from_utf8(text).unwrap_or_default(), bytes)
}

/// Keeps an answer until the next, and gives its length.
pub(crate) fn give(bytes: Vec<u8>) -> usize {
    let len = bytes.len();
    ANSWER.set(bytes);
    len
}
