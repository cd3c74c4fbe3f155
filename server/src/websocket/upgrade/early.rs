//! The client's first message in the request itself, which saves it a round trip: browsers can put bytes of their own
//! nowhere else than among the subprotocols they offer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Headers, Refusal};

/// Comes after the required subprotocol's name in the one that says that the first message was taken.
const SUFFIX: &str = ".early";
/// Comes before the message.
const PREFIX: &str = "hello.";
/// The most digits of a message that is taken: all of 3 KiB.
pub(super) const MAX_DIGITS: usize = 4 << 10;

/// The first message, if the client offers one and it isn't too long to be taken here.
pub(super) fn first_message(headers: &Headers<'_, '_>, required: &str) -> Result<Option<Vec<u8>>, Refusal> {
    let offered = || headers.elements("sec-websocket-protocol");
    if !offered().any(|element| element.strip_suffix(SUFFIX) == Some(required)) {
        return Ok(None);
    }
    let mut messages = offered().filter_map(|element| element.strip_prefix(PREFIX));
    let Some(digits) = messages.next() else { return Ok(None) };
    if messages.next().is_some() {
        return Err(Refusal::EarlyMessage { detail: "there are several" });
    }
    if digits.len() > MAX_DIGITS {
        return Ok(None);
    }
    match URL_SAFE_NO_PAD.decode(digits) {
        Ok(message) if !message.is_empty() => Ok(Some(message)),
        Ok(_) => Err(Refusal::EarlyMessage { detail: "it is empty" }),
        Err(_) => Err(Refusal::EarlyMessage { detail: "it is not base64url without padding" }),
    }
}

/// The subprotocol that is chosen.
pub(super) fn chosen(required: &str, taken: bool) -> String {
    format!("{required}{}", if taken { SUFFIX } else { "" })
}
