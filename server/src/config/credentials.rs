//! The tokens that clients are known by: the `[[auth.token]]` tables of the file, and a file of their own.

use std::path::PathBuf;

use toml::value::{Date, Datetime, Offset, Time};

use super::setting::{Written, shown};
use crate::auth::{Identity, Token, TokenDigest, Tokens};

/// The keys of a token, and what they may be.
pub(super) const KEYS: [(&str, &str); 4] = [
    ("token", "a text of at least 16 bytes"),
    ("sha256", "64 hexadecimal digits, in place of the token"),
    ("principal", "a name of 1 to 1024 bytes"),
    ("expires", "a date and time with its zone such as 2030-01-31T12:00:00Z"),
];

/// The settings of the table `[auth]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    pub(super) tokens_file: Option<PathBuf>,
    pub(super) tokens: Tokens,
}

/// A token on its way.
#[derive(Debug, Default)]
pub(super) struct Entry {
    digest: Option<TokenDigest>,
    principal: Option<String>,
    expires_ms: Option<u64>,
}

impl Entry {
    /// Takes the value of a key. Errors don't repeat what a token is: they are written to logs.
    pub(super) fn apply(&mut self, key: &str, written: &Written<'_>, expires: Option<&Datetime>) -> Result<(), String> {
        match (key, written.text()) {
            ("token" | "sha256", _) if self.digest.is_some() => {
                return Err("a token is given as it is, or as its sha256, and not as both".into());
            }
            ("token", Some(token)) => self.digest = Some(text_error(TokenDigest::of(token.as_bytes()))?),
            ("sha256", Some(digits)) => self.digest = Some(text_error(TokenDigest::from_hex(digits))?),
            ("principal", Some(name)) => self.principal = Some(name.to_owned()),
            ("expires", text) => {
                let parsed = text.and_then(|text| text.parse().ok());
                let at = expires.copied().or(parsed).and_then(milliseconds);
                self.expires_ms = Some(at.ok_or_else(|| refusal(key, &shown(written)))?);
            }
            ("token" | "sha256", None) => return Err(refusal(key, "this")),
            _ => return Err(refusal(key, &shown(written))),
        }
        Ok(())
    }

    /// The token, if it is whole.
    pub(super) fn finish(self) -> Result<Token, &'static str> {
        let digest = self.digest.ok_or("this entry has no token: give token or sha256")?;
        let principal = self.principal.ok_or("this token has no principal: say whose it is")?;
        Ok(Token { digest, identity: Identity { principal, expires_ms: self.expires_ms } })
    }
}

fn text_error<T>(result: Result<T, crate::auth::TokenError>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn refusal(key: &str, shown: &str) -> String {
    let form = KEYS.iter().find(|(name, _)| *name == key).map_or("", |(_, form)| form);
    format!("{key} can't be {shown}: give {form}")
}

/// Milliseconds since 1970, from a date and time with its zone.
fn milliseconds(at: Datetime) -> Option<u64> {
    let Datetime { date: Some(date), time: Some(time), offset: Some(offset) } = at else { return None };
    let Time { hour, minute, second, nanosecond } = time;
    let offset_minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let minutes = (days(date) * 24 + i64::from(hour)) * 60 + i64::from(minute) - offset_minutes;
    let milliseconds =
        (minutes * 60 + i64::from(second.unwrap_or(0))) * 1_000 + i64::from(nanosecond.unwrap_or(0) / 1_000_000);
    u64::try_from(milliseconds).ok()
}

/// Days since 1970 in the Gregorian calendar, counted in years that begin in March, so that a leap day is the last.
fn days(date: Date) -> i64 {
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let year = i64::from(date.year) - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T02:00:00+02:00", Some(0)),
            ("2000-02-29T12:00:00.5Z", Some(951_825_600_500)),
            ("2026-12-31T23:59:59Z", Some(1_798_761_599_000)),
            ("2100-03-01T00:00:00-01:30", Some(4_107_547_800_000)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-12-31T23:59:59", None),
            ("2026-12-31", None),
            ("23:59:59", None),
        ] {
            assert_eq!(milliseconds(text.parse().unwrap()), expected, "{text}");
        }
    }
}
