//! Tokens that the gateway's operator has written down.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::{AuthError, Authenticator, Identity};

/// The shortest token that is taken, in bytes: what is shorter can be guessed.
pub const MIN_TOKEN_BYTES: usize = 16;
/// The longest name of a principal, in bytes.
pub const MAX_PRINCIPAL_BYTES: usize = 1_024;
/// The most tokens of a gateway.
pub const MAX_TOKENS: usize = 100_000;

/// A token as the gateway remembers it: its SHA-256, which whoever sees it can't connect with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenDigest([u8; 32]);

/// What a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub digest: TokenDigest,
    /// Whoever shows it, and until when.
    pub identity: Identity,
}

/// Why tokens can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// A token can be guessed.
    #[error("a token has at least {MIN_TOKEN_BYTES} bytes; draw one with: openssl rand -hex 16")]
    TooShort,
    /// A digest is not one.
    #[error("a token's sha256 has 64 hexadecimal digits; make it with: printf %s TOKEN | sha256sum")]
    BadDigest,
    /// A principal is no name.
    #[error("a principal is a name of 1 to {MAX_PRINCIPAL_BYTES} bytes without control characters")]
    BadPrincipal,
    /// A token is there more than once.
    #[error("another entry has the same token, and each stands for one principal")]
    Repeated,
    /// There are too many.
    #[error("there are more than {MAX_TOKENS} tokens")]
    TooMany,
}

/// Knows clients by tokens.
///
/// ```
/// use outpour_server::auth::{AuthError, Authenticator, Identity, Token, TokenDigest, Tokens};
///
/// let digest = TokenDigest::of(b"0f1e2d3c4b5a69788796a5b4c3d2e1f0")?;
/// let identity = Identity { principal: "anna".into(), expires_ms: Some(5_000) };
/// let mut tokens = Tokens::new();
/// tokens.set_required(true);
/// tokens.add(Token { digest, identity: identity.clone() })?;
///
/// assert_eq!(tokens.authenticate(b"0f1e2d3c4b5a69788796a5b4c3d2e1f0", 4_999), Ok(identity));
/// assert_eq!(tokens.authenticate(b"0f1e2d3c4b5a69788796a5b4c3d2e1f0", 5_000), Err(AuthError::Expired));
/// assert_eq!(tokens.authenticate(b"another token of that length....", 0), Err(AuthError::Unknown));
/// assert_eq!(tokens.authenticate(b"", 0), Err(AuthError::Missing));
/// # Ok::<(), outpour_server::auth::TokenError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    identities: BTreeMap<TokenDigest, Identity>,
    is_required: bool,
}

impl Tokens {
    /// Knows nobody, and takes whoever shows nothing for anybody.
    #[must_use]
    pub const fn new() -> Self {
        Self { identities: BTreeMap::new(), is_required: false }
    }

    /// Whether whoever shows nothing is refused.
    pub const fn set_required(&mut self, is_required: bool) {
        self.is_required = is_required;
    }

    /// Whether whoever shows nothing is refused.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.is_required
    }

    /// Knows one more token.
    ///
    /// # Errors
    /// If the principal is no name, the token is known already, or there are too many.
    pub fn add(&mut self, token: Token) -> Result<(), TokenError> {
        let Token { digest, identity } = token;
        let principal = &identity.principal;
        if principal.is_empty() || principal.len() > MAX_PRINCIPAL_BYTES || principal.chars().any(char::is_control) {
            return Err(TokenError::BadPrincipal);
        }
        if self.identities.contains_key(&digest) {
            return Err(TokenError::Repeated);
        }
        if self.identities.len() >= MAX_TOKENS {
            return Err(TokenError::TooMany);
        }
        self.identities.insert(digest, identity);
        Ok(())
    }

    /// How many tokens are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.identities.len()
    }

    /// Whether no token is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty()
    }
}

impl Authenticator for Tokens {
    fn authenticate(&self, credentials: &[u8], now_ms: u64) -> Result<Identity, AuthError> {
        if credentials.is_empty() {
            return if self.is_required { Err(AuthError::Missing) } else { Ok(Identity::default()) };
        }
        // Tokens themselves are never compared, so that no time tells how much of one was right: how long the search
        // for a digest takes depends on a digest, which nobody can bring closer to another bit by bit.
        let digest = TokenDigest(Sha256::digest(credentials).into());
        let identity = self.identities.get(&digest).ok_or(AuthError::Unknown)?;
        if identity.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
            return Err(AuthError::Expired);
        }
        Ok(identity.clone())
    }
}

impl TokenDigest {
    /// The digest of a token.
    ///
    /// # Errors
    /// If the token is shorter than [`MIN_TOKEN_BYTES`].
    pub fn of(token: &[u8]) -> Result<Self, TokenError> {
        if token.len() < MIN_TOKEN_BYTES {
            return Err(TokenError::TooShort);
        }
        Ok(Self(Sha256::digest(token).into()))
    }

    /// The digest that these 64 hexadecimal digits write.
    ///
    /// # Errors
    /// If they don't.
    pub fn from_hex(digits: &str) -> Result<Self, TokenError> {
        if digits.len() != 64 {
            return Err(TokenError::BadDigest);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(TokenError::BadDigest)?;
        }
        Ok(Self(digest))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, ..] = self.0;
        write!(f, "TokenDigest({first:02x}{second:02x}{third:02x}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &[u8] = b"a token of sixteen bytes and more";

    fn token(digest: TokenDigest, principal: &str) -> Token {
        Token { digest, identity: Identity { principal: principal.into(), expires_ms: None } }
    }

    #[test]
    fn a_digest_in_hexadecimal_is_the_same() {
        // sha256sum of "0123456789abcdef".
        let hex = "9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f";
        assert_eq!(TokenDigest::from_hex(hex), TokenDigest::of(b"0123456789abcdef"));
        assert_eq!(TokenDigest::from_hex(&hex.to_uppercase()), TokenDigest::of(b"0123456789abcdef"));
        for bad in ["", &hex[1..], &format!("{hex}0"), &hex.replace('9', "+"), &hex.replace('9', "g"), &"é".repeat(32)]
        {
            assert_eq!(TokenDigest::from_hex(bad), Err(TokenError::BadDigest), "{bad}");
        }
        assert_eq!(TokenDigest::of(b"0123456789abcde"), Err(TokenError::TooShort));
    }

    #[test]
    fn entries_that_cannot_be_used() {
        let digest = TokenDigest::of(TOKEN).unwrap();
        let mut tokens = Tokens::new();
        for principal in ["", "a\nb", &"x".repeat(MAX_PRINCIPAL_BYTES + 1)] {
            assert_eq!(tokens.add(token(digest, principal)), Err(TokenError::BadPrincipal));
        }
        assert!(tokens.is_empty());
        tokens.add(token(digest, "anna")).unwrap();
        assert_eq!(tokens.add(token(digest, "bert")), Err(TokenError::Repeated));
        assert_eq!(tokens.len(), 1);
    }

    #[test]
    fn whoever_shows_nothing_is_anybody_unless_credentials_are_required() {
        let mut tokens = Tokens::new();
        tokens.add(token(TokenDigest::of(TOKEN).unwrap(), "anna")).unwrap();
        assert_eq!(tokens.authenticate(b"", 0), Ok(Identity::default()));
        // What is wrong is not taken for nothing.
        assert_eq!(tokens.authenticate(b"x", 0), Err(AuthError::Unknown));
        assert_eq!(tokens.authenticate(TOKEN, u64::MAX).unwrap().principal, "anna");
    }

    #[test]
    fn a_digest_is_not_written_whole() {
        let digest = TokenDigest::from_hex(&"ab".repeat(32)).unwrap();
        assert_eq!(format!("{digest:?}"), "TokenDigest(ababab…)");
    }
}
