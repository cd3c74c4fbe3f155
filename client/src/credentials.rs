//! Where a session's credentials come from.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use outpour_core::session::Credentials;

/// What a provider will have to say.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Credentials, String>> + Send>>;

/// Answers a session that needs credentials; it is told whether the last ones had expired.
#[derive(Clone)]
pub(crate) struct Provider(Arc<dyn Fn(bool) -> Answer + Send + Sync>);

impl Provider {
    pub(crate) fn new(ask: impl Fn(bool) -> Answer + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    pub(crate) fn ask(&self, expired: bool) -> Answer {
        (self.0)(expired)
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provider")
    }
}
