//! What a scenario holds, and how each step is done with the SDK.

use std::collections::HashMap;
use std::time::Duration;

use outpour::{
    Acknowledgement, ConnectionState, Error, ErrorCode, Publish, Resumptions, Session, SessionBuilder,
    SubscribeOptions, Subscription, UpdateStream, Version,
};
use serde_json::{Value, json};

use crate::answer;
use crate::step::{Connect, Publication, Step, Subscribe, version_of};

type Answer = Result<Value, Error>;

#[derive(Default)]
pub(crate) struct Performer {
    sessions: HashMap<String, (Session, Resumptions)>,
    subscriptions: HashMap<String, Subscription>,
    streams: HashMap<String, UpdateStream>,
    calls: HashMap<String, Acknowledgement>,
}

impl Performer {
    pub(crate) async fn perform(&mut self, step: Step) -> Answer {
        match step {
            Step::Reset => self.reset().await,
            Step::Connect(step) => self.connect(step).await,
            Step::State { session, is } => self.state(&session, &is).await,
            Step::Resumed { session } => {
                let resumption = self.sessions.get_mut(&session).unwrap().1.next().await;
                Ok(answer::resumption(&resumption.ok_or(ErrorCode::Closed)?))
            }
            Step::Suspend { session } => {
                self.session(&session).suspend();
                Ok(json!({}))
            }
            Step::Resume { session } => {
                self.session(&session).resume();
                Ok(json!({}))
            }
            Step::Statistics { session } => Ok(answer::statistics(&self.session(&session).statistics())),
            Step::Close { session } => {
                self.session(&session).close().await;
                Ok(json!({}))
            }
            Step::Closed { session } => self.state(&session, "closed").await,
            Step::Subscribe(step) => self.subscribe(&step),
            Step::Next { subscription, count } => self.next(&subscription, count).await,
            Step::Until { subscription, path, value } => {
                let value = value.value();
                loop {
                    let update = self.update(&subscription).await?;
                    if update.path.as_str() == path && answer::update(&update)["value"] == answer::value(&value) {
                        return Ok(answer::update(&update));
                    }
                }
            }
            Step::Ended { subscription } => self.ended(&subscription).await,
            Step::Unsubscribe { subscription } => Ok(done(self.subscriptions.remove(&subscription).unwrap())),
            Step::AbandonNext { subscription } => {
                let subscription = self.subscriptions.get_mut(&subscription).unwrap();
                tokio::select! {
                    biased;
                    update = subscription.next() => Ok(json!({ "unexpected": format!("{update:?}") })),
                    () = std::future::ready(()) => Ok(json!({})),
                }
            }
            Step::Set(step) => {
                let publish = self.session(&step.session).set(&step.path, step.value.as_ref().unwrap().value());
                self.publish(publish, &step).await
            }
            Step::Append(step) => {
                let publish = self.session(&step.session).append(&step.path, step.value.as_ref().unwrap().value());
                self.publish(publish, &step).await
            }
            Step::Patch(step) => {
                let publish = self.session(&step.session).merge_patch(&step.path, step.patch.clone().unwrap());
                self.publish(publish, &step).await
            }
            Step::JsonPatch(step) => {
                let publish = self.session(&step.session).patch(&step.path, step.patch.clone().unwrap());
                self.publish(publish, &step).await
            }
            Step::Remove(step) => self.publish(self.session(&step.session).remove(&step.path), &step).await,
            Step::Create(step) => {
                let properties = step.properties.as_ref().unwrap().properties();
                self.publish(self.session(&step.session).create(&step.path, properties), &step).await
            }
            Step::OpenStream { session, stream, path } => {
                let opened = self.session(&session).update_stream(&path)?;
                Ok(done(self.streams.insert(stream, opened)))
            }
            Step::StreamSet(step) => {
                let publish = self.streams[&step.stream].set(step.value.as_ref().unwrap().value());
                self.publish(publish, &step).await
            }
            Step::CloseStream { stream } => Ok(done(self.streams.remove(&stream))),
            Step::Burst { session, change, path, count } => self.burst(&session, &change, &path, count).await,
            Step::Settled { call } => Ok(version(self.calls.remove(&call).unwrap().await?)),
            Step::Cancel { call } => Ok(done(self.calls.remove(&call).unwrap())),
            Step::Get { session, path } => {
                let found = self.session(&session).get(&path).await?;
                Ok(found.map_or_else(
                    || json!({ "item": null }),
                    |found| {
                        let (value, version) = (answer::value(&found.value), found.version.to_string());
                        json!({ "item": { "path": found.path.as_str(), "value": value, "version": version } })
                    },
                ))
            }
            Step::Fetch { session, selector } => {
                let items = self.session(&session).fetch(&selector).await?;
                Ok(json!({ "items": items.iter().map(answer::item).collect::<Vec<_>>() }))
            }
            Step::FetchEvents { session, selector, from, limit } => {
                let (items, more) = self.session(&session).fetch_events(&selector, from.start(), limit).await?;
                Ok(json!({ "items": items.iter().map(answer::item).collect::<Vec<_>>(), "more": more }))
            }
            Step::Replica { session, path } => {
                Ok(json!({ "replica": self.session(&session).replica(&path).as_ref().map(answer::replica) }))
            }
            Step::Replicas { session, selector } => {
                let replicas = self.session(&session).replicas(&selector)?;
                Ok(json!({ "replicas": replicas.iter().map(answer::replica).collect::<Vec<_>>() }))
            }
        }
    }

    fn session(&self, name: &str) -> &Session {
        &self.sessions[name].0
    }

    async fn reset(&mut self) -> Answer {
        self.calls.clear();
        self.streams.clear();
        self.subscriptions.clear();
        for (_, (session, _)) in self.sessions.drain() {
            session.close_within(Duration::ZERO).await;
        }
        Ok(json!({}))
    }

    async fn connect(&mut self, step: Connect) -> Answer {
        let [first, others @ ..] = step.to.as_slice() else { return Err(ErrorCode::BadEndpoint.into()) };
        let mut builder = SessionBuilder::new(first).backoff(Duration::from_millis(20), Duration::from_millis(200));
        builder = others.iter().fold(builder, |builder, url| builder.or_at(url));
        if let Some(credentials) = step.credentials {
            builder = builder.credentials(credentials);
        }
        if let Some(store) = step.store {
            builder = builder.with_store(store);
        }
        if let Some(count) = step.queue {
            builder = builder.queue(count, 16 << 20).when_full(outpour::QueuePolicy::Error);
        }
        if let Some(reconnect) = step.reconnect {
            builder = builder.reconnect(reconnect);
        }
        let session = if step.wait { builder.connect().await? } else { builder.start()? };
        let resumptions = session.resumptions();
        self.sessions.insert(step.session, (session, resumptions));
        Ok(json!({}))
    }

    /// Waits for a state, and says why the session is in it.
    async fn state(&self, session: &str, wanted: &str) -> Answer {
        let mut states = self.session(session).connection();
        while let Some(state) = states.next().await {
            let (name, error) = match state {
                ConnectionState::Connecting => ("connecting", None),
                ConnectionState::Connected => ("connected", None),
                ConnectionState::Suspended => ("suspended", None),
                ConnectionState::Disconnected { error, .. } => ("disconnected", Some(error)),
                ConnectionState::Closed { error } => ("closed", Some(error)),
                _ => ("unknown", None),
            };
            if name == wanted {
                let reason = error.filter(|error| error.code() != ErrorCode::Closed);
                return Ok(json!({ "state": name, "reason": reason.map(|error| error.code().name()) }));
            }
        }
        Err(ErrorCode::Closed.into())
    }

    fn subscribe(&mut self, step: &Subscribe) -> Answer {
        let mut options = SubscribeOptions { max_rate: step.max_rate, ..SubscribeOptions::default() };
        if let Some(from) = &step.from {
            options.from = from.start();
        }
        let subscription = self.session(&step.session).subscribe_with(&step.selector, &options)?;
        Ok(done(self.subscriptions.insert(step.subscription.clone(), subscription)))
    }

    async fn update(&mut self, subscription: &str) -> Result<outpour::Update, Error> {
        self.subscriptions.get_mut(subscription).unwrap().next().await.ok_or(ErrorCode::Closed)?
    }

    async fn next(&mut self, subscription: &str, count: usize) -> Answer {
        let mut updates = Vec::new();
        while updates.len() < count {
            updates.push(answer::update(&self.update(subscription).await?));
        }
        Ok(json!({ "updates": updates }))
    }

    /// Reads what is left of a subscription until it is over.
    async fn ended(&mut self, subscription: &str) -> Answer {
        let mut subscription = self.subscriptions.remove(subscription).unwrap();
        let mut updates = Vec::new();
        while let Some(update) = subscription.next().await {
            updates.push(answer::update(&update?));
        }
        Ok(json!({ "updates": updates }))
    }

    /// Publishes under the step's condition, and waits for the verdict unless it is to be asked for later.
    async fn publish(&mut self, mut publish: Publish, step: &Publication) -> Answer {
        if let Some(version) = &step.if_version {
            publish = publish.if_version(version_of(version));
        }
        if step.if_absent {
            publish = publish.if_absent();
        }
        match &step.call {
            None => Ok(version(publish.await?)),
            Some(call) => Ok(done(self.calls.insert(call.clone(), publish.send()?))),
        }
    }

    async fn burst(&self, session: &str, change: &str, path: &str, count: i64) -> Answer {
        let session = self.session(session);
        let mut sent = Vec::new();
        for number in 1..=count {
            let publish = if change == "append" { session.append(path, number) } else { session.set(path, number) };
            sent.push(publish.send_when_possible().await?);
        }
        for acknowledgement in sent {
            acknowledgement.await?;
        }
        Ok(json!({}))
    }
}

fn version(version: Version) -> Value {
    json!({ "version": version.to_string() })
}

/// What is answered to a step that gives nothing.
fn done<T>(_given: T) -> Value {
    json!({})
}
