//! docs/errors.md has an entry for every error code, and for nothing else.

use outpour_core::{ErrorCode, Fault};

use crate::read;

const fn fault(code: ErrorCode) -> &'static str {
    match code.fault() {
        Fault::Nobody => "nobody",
        Fault::Caller => "caller",
        Fault::Peer => "peer",
        Fault::Network => "network",
        Fault::Gateway => "gateway",
        _ => "a fault without a name",
    }
}

#[test]
fn every_code_has_its_entry() {
    let page = read("docs/errors.md");
    let entries: Vec<&str> = page.split("\n### ").skip(1).collect();
    let mut codes: Vec<ErrorCode> = ErrorCode::ALL.to_vec();
    codes.sort_by_key(|code| code.number());
    assert_eq!(entries.len(), codes.len());
    for (entry, code) in entries.iter().zip(codes) {
        let (heading, text) = entry.split_once('\n').unwrap();
        assert_eq!(heading, format!("{} {}", code.number(), code.name()));
        let retry = if code.is_retryable() { "yes" } else { "no" };
        let first = text.trim_start().lines().next().unwrap();
        assert_eq!(first, format!("**At fault:** {}. **Retry:** {retry}.", fault(code)), "{heading}");
        assert!(text.contains("\n**What to do:** "), "{heading} says what to do");
        let paragraphs = text.trim().split("\n\n").count();
        assert!(paragraphs >= 3, "{heading} says what happened");
    }
}

/// The codes that the protocol's page names exist.
#[test]
fn the_protocol_names_no_other_codes() {
    let page = read("docs/protocol.md");
    for word in page.split(|character: char| !character.is_ascii_digit()) {
        if let Ok(number @ 4000..=4499) = word.parse::<u16>() {
            assert!(ErrorCode::from_number(number).is_some() || matches!(number, 4200 | 4299), "{number}");
        }
    }
}
