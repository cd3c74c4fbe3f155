//! How commands get to a gateway.

use outpour::{Error, Session, SessionBuilder};

/// Which gateway, and as whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Access {
    /// The gateway, as ws://HOST:PORT
    pub(crate) url: String,
    /// Show the gateway this token. Others on this machine can see arguments: better set the variable
    #[arg(long, value_name = "TOKEN", env = "OUTPOUR_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Access {
    pub(crate) async fn connect(&self) -> Result<Session, Error> {
        let builder = SessionBuilder::new(&self.url);
        match &self.token {
            Some(token) => builder.credentials(token.as_str()).connect().await,
            None => builder.connect().await,
        }
    }
}
