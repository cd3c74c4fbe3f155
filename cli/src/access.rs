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
    /// Another gateway of the same data, gone to when the first fails; may be given several times
    #[arg(long = "or", value_name = "URL")]
    others: Vec<String>,
}

impl Access {
    pub(crate) async fn connect(&self) -> Result<Session, Error> {
        self.builder().connect().await
    }

    pub(crate) fn builder(&self) -> SessionBuilder {
        let builder = self.others.iter().fold(SessionBuilder::new(&self.url), |builder, url| builder.or_at(url));
        match &self.token {
            Some(token) => builder.credentials(token.as_str()),
            None => builder,
        }
    }
}
