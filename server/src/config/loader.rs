//! Laying one source of settings over the other, and what they have to agree on.

use std::collections::BTreeMap;
use std::sync::Arc;

use outpour_core::peer::FRAME_ROOM;

use super::credentials::Credentials;
use super::quantity::format_size;
use super::setting::{SETTINGS, Setting, Written};
use super::{Config, ConfigError, Origin, Overlay, file};

/// A configuration on its way, and where each of its settings comes from.
#[derive(Debug, Default)]
pub(super) struct Loader {
    pub(super) config: Config,
    origins: BTreeMap<&'static str, Origin>,
}

impl Loader {
    /// Takes a setting in place of what it was before.
    pub(super) fn apply(
        &mut self,
        setting: &'static Setting,
        written: &Written<'_>,
        origin: Origin,
    ) -> Result<(), ConfigError> {
        match setting.apply(&mut self.config, written) {
            Ok(()) => {
                self.origins.insert(setting.name(), origin);
                Ok(())
            }
            Err(problem) => Err(ConfigError::Refused { origin, problem }),
        }
    }

    /// Takes the variables that name a setting. Others that begin alike may come from elsewhere (Kubernetes sets
    /// `OUTPOUR_PORT` for a service called `outpour`), but what calls itself a limit and is none would protect nobody.
    pub(super) fn apply_environment(
        &mut self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        let variables: BTreeMap<String, String> = environment.into_iter().collect();
        for setting in SETTINGS {
            let variable = setting.variable();
            if let Some(value) = variables.get(&variable) {
                self.apply(setting, &Written::Word(value), Origin::Variable(variable))?;
            }
        }
        let guards = |name: &&String| name.starts_with("OUTPOUR_LIMITS_") || name.starts_with("OUTPOUR_AUTH_");
        let unknown = variables.keys().filter(guards).find(|name| SETTINGS.iter().all(|it| it.variable() != **name));
        match unknown {
            Some(name) => Err(ConfigError::Refused {
                origin: Origin::Variable(name.clone()),
                problem: "there is no such setting; docs/configuration.md lists them".into(),
            }),
            None => Ok(()),
        }
    }

    /// Takes what the command line says.
    pub(super) fn apply_overlay(&mut self, overlay: &Overlay) -> Result<(), ConfigError> {
        let listen = overlay.listen.map(|listen| listen.to_string());
        let workers = overlay.workers.map(|workers| Written::Integer(Some(workers)));
        let data = overlay.data.as_ref().map(|path| path.to_string_lossy());
        let flags = [
            ("listen", "--listen", listen.as_deref().map(Written::Text)),
            ("workers", "--workers", workers),
            ("allow_anonymous", "--allow-anonymous", overlay.allow_anonymous.map(Written::Boolean)),
            ("allowed_origins", "--allowed-origin", list(&overlay.allowed_origins)),
            ("console", "--no-console", overlay.console.map(Written::Boolean)),
            ("drain.redirect", "--redirect", list(&overlay.redirects)),
            ("log", "--log", overlay.log.as_deref().map(Written::Text)),
            ("data", "--data", data.as_deref().map(Written::Text)),
            ("fsync", "--fsync", overlay.fsync.map(|policy| Written::Text(policy.name()))),
            ("log_format", "--log-format", overlay.log_format.map(|format| Written::Text(format.name()))),
        ];
        for (name, flag, written) in flags {
            if let (Some(setting), Some(written)) = (named(name), written) {
                self.apply(setting, &written, Origin::Flag(flag))?;
            }
        }
        Ok(())
    }

    /// The configuration, if its settings agree with each other.
    pub(super) fn finish(self) -> Result<Config, ConfigError> {
        let peer = &self.config.gateway.shard.peer;
        let needed = peer.max_value + FRAME_ROOM;
        if peer.max_message < needed {
            let problem = format!(
                "limits.max_message is {}, but a value of limits.max_value needs {}: raise the one or lower the other",
                format_size(peer.max_message as u64),
                format_size(needed as u64),
            );
            return self.refuse(&["limits.max_message", "limits.max_value"], problem);
        }
        if peer.max_memory < peer.max_message {
            let problem = format!(
                "limits.max_session_memory is {}, but a session may send messages of {}: raise the one or lower \
                 limits.max_message",
                format_size(peer.max_memory as u64),
                format_size(peer.max_message as u64),
            );
            return self.refuse(&["limits.max_session_memory", "limits.max_message"], problem);
        }
        let address = self.config.gateway.listen.ip().to_canonical();
        if !address.is_loopback() && !self.config.allow_anonymous && !self.config.credentials.tokens.is_required() {
            let problem = format!(
                "{} can be reached from other machines, and anybody could read and write every topic: set \
                 auth.required = true and give tokens, listen on 127.0.0.1, or set allow_anonymous = true \
                 (--allow-anonymous) if that is what you want",
                self.config.gateway.listen,
            );
            return self.refuse(&["listen"], problem);
        }
        self.finish_credentials()
    }

    /// Puts the tokens of both places together.
    fn finish_credentials(mut self) -> Result<Config, ConfigError> {
        let Credentials { tokens_file, tokens } = &mut self.config.credentials;
        if let Some(path) = tokens_file {
            file::apply_tokens(tokens, &path.display().to_string(), &file::read(path)?)?;
        }
        if tokens.is_empty() && tokens.is_required() {
            let problem = "every client has to show a token, and none is known: give some in [[auth.token]] or \
                           auth.tokens_file"
                .to_owned();
            return self.refuse(&["auth.required"], problem);
        }
        if !tokens.is_empty() {
            self.config.gateway.shard.authenticator = Arc::new(std::mem::take(tokens));
        }
        Ok(self.config)
    }

    /// Blames the first of these settings that was made.
    fn refuse(self, settings: &[&'static str], problem: String) -> Result<Config, ConfigError> {
        let origin = settings.iter().find_map(|name| self.origins.get(name));
        Err(ConfigError::Refused { origin: origin.cloned().unwrap_or(Origin::Default), problem })
    }
}

fn list(texts: &Option<Vec<String>>) -> Option<Written<'_>> {
    texts.as_ref().map(|texts| Written::List(texts.iter().map(String::as_str).collect()))
}

/// The setting with this name.
pub(super) fn named(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name() == name)
}
