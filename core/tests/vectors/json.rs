//! Frames as JSON objects, under the names of docs/protocol.md.

use std::fmt::Write;

use outpour_core::wire::{
    Ack, Announce, ClientFrame, Condition, Fetched, GatewayFrame, Goodbye, Hello, HistoryStart, Move, Operation,
    Publish, PublishPath, Refused, RequestRef, Resume, Subscribe, TopicProperties, Welcome,
};
use outpour_core::{
    Epoch, FetchId, Partition, Path, PublishNumber, PublisherId, ResumePoint, SubscriptionId, TopicKind, TopicNumber,
    ValueType, Version,
};
use serde_json::{Map, Value, json};

pub(crate) fn from_hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Bytes: a string if they are readable, otherwise hexadecimal.
pub(crate) fn bytes_to_json(bytes: &[u8]) -> Value {
    match core::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => json!(text),
        _ => json!({ "hex": to_hex(bytes) }),
    }
}

pub(crate) fn bytes_from_json(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        _ => from_hex(value["hex"].as_str().unwrap()),
    }
}

/// The fields of an object. What is borrowed from it lives as long as the test.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap()
    }

    fn small<T: TryFrom<u64, Error: core::fmt::Debug>>(&self, name: &str) -> T {
        T::try_from(self.number(name)).unwrap()
    }

    fn text(&self, name: &str) -> &'static str {
        String::leak(self.0[name].as_str().unwrap().into())
    }

    fn bytes(&self, name: &str) -> &'static [u8] {
        Vec::leak(bytes_from_json(&self.0[name]))
    }

    fn id16(&self, name: &str) -> [u8; 16] {
        from_hex(self.text(name)).try_into().unwrap()
    }

    fn version(&self) -> Version {
        Version(self.number("version"))
    }

    fn topic(&self) -> TopicNumber {
        TopicNumber(self.small("topic"))
    }

    fn path(&self) -> Path {
        Path::new(self.text("path")).unwrap()
    }

    fn value_type(&self) -> ValueType {
        ValueType::from_name(self.text("type")).unwrap()
    }

    fn topic_kind(&self) -> TopicKind {
        match self.text("topic_kind") {
            "value" => TopicKind::Value,
            other => {
                assert_eq!(other, "event");
                TopicKind::Event
            }
        }
    }

    /// A choice: its name, and the number that some have.
    fn choice(&self, name: &str) -> (String, u64) {
        match &self.0[name] {
            Value::String(choice) => (choice.clone(), 0),
            numbered => {
                let (choice, number) = numbered.as_object().unwrap().iter().next().unwrap();
                (choice.clone(), number.as_u64().unwrap())
            }
        }
    }

    fn history_start(&self) -> HistoryStart {
        match self.choice("from") {
            (choice, number) if choice == "last" => HistoryStart::Last(number),
            (choice, number) if choice == "after" => HistoryStart::After(Version(number)),
            (choice, _) if choice == "all" => HistoryStart::All,
            (choice, _) => {
                assert_eq!(choice, "live");
                HistoryStart::Live
            }
        }
    }

    fn flag(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|flag| flag == true)
    }

    fn resume_point(&self) -> Option<ResumePoint> {
        let point = Fields(self.0.get("resume")?.as_object().unwrap());
        let entries = |name: &str| -> Vec<(u32, Version)> {
            let pairs = point.0[name].as_array().unwrap().iter();
            pairs.map(|pair| (pair[0].as_u64().unwrap() as u32, Version(pair[1].as_u64().unwrap()))).collect()
        };
        Some(ResumePoint {
            epoch: Epoch(point.id16("epoch")),
            marks: entries("marks").into_iter().map(|(partition, version)| (Partition(partition), version)).collect(),
            exceptions: entries("exceptions")
                .into_iter()
                .map(|(topic, version)| (TopicNumber(topic), version))
                .collect(),
        })
    }

    fn goodbye(&self) -> Goodbye<'static> {
        Goodbye {
            code: self.small("code"),
            reason: self.text("reason"),
            retry_after_ms: self.number("retry_after"),
            redirect: self.text("redirect"),
            speaks: self.0["speaks"].as_array().unwrap().iter().map(|major| major.as_u64().unwrap()).collect(),
        }
    }

    fn operation(&self) -> Operation<'static> {
        match self.text("operation") {
            "set" => Operation::Set { value_type: self.value_type(), value: self.bytes("value") },
            "append" => Operation::Append { value_type: self.value_type(), value: self.bytes("value") },
            "delta" => Operation::Delta {
                base: PublishNumber(self.number("base")),
                check: self.small("check"),
                delta: self.bytes("delta"),
            },
            "json_patch" => Operation::JsonPatch { patch: self.bytes("patch") },
            "merge_patch" => Operation::MergePatch { patch: self.bytes("patch") },
            "remove" => Operation::Remove,
            "create" => {
                let flags = self.0["flags"].as_array().unwrap();
                Operation::Create(TopicProperties {
                    kind: self.topic_kind(),
                    value_type: self.value_type(),
                    retain: flags.contains(&json!("retain")),
                    conflate: flags.contains(&json!("conflate")),
                    history: self.number("history"),
                    history_age_ms: self.number("history_age"),
                })
            }
            other => panic!("no operation {other}"),
        }
    }

    fn publish(&self) -> Publish<'static> {
        let path = match self.choice("naming") {
            (naming, alias) if naming == "define" => PublishPath::Define(alias as u32, self.bytes("path")),
            (naming, alias) if naming == "alias" => PublishPath::Alias(alias as u32),
            _ => PublishPath::Whole(self.bytes("path")),
        };
        let condition = match self.choice("condition") {
            (condition, version) if condition == "if_version" => Condition::IfVersion(Version(version)),
            (condition, _) if condition == "if_absent" => Condition::IfAbsent,
            _ => Condition::Always,
        };
        Publish { number: PublishNumber(self.number("number")), path, condition, operation: self.operation() }
    }
}

pub(crate) fn client_from_json(value: &Value) -> ClientFrame<'static> {
    let fields = Fields(value.as_object().unwrap());
    match fields.text("frame") {
        "hello" => ClientFrame::Hello(Hello {
            major: fields.number("major"),
            minor: fields.number("minor"),
            publisher: PublisherId(fields.id16("publisher")),
            settled: PublishNumber(fields.number("settled")),
            max_message: fields.number("max_message"),
            agent: fields.text("agent"),
            resume: fields.resume_point(),
            credentials: if fields.0.contains_key("credentials") { fields.bytes("credentials") } else { &[] },
        }),
        "subscribe" => ClientFrame::Subscribe(Subscribe {
            id: SubscriptionId(fields.small("id")),
            selector: fields.bytes("selector"),
            max_rate_millihertz: fields.number("max_rate"),
            from: fields.history_start(),
            resume: match (fields.flag("resume"), fields.flag("resume_partly")) {
                (true, _) => Resume::Fully,
                (false, true) => Resume::Partly,
                (false, false) => Resume::No,
            },
        }),
        "unsubscribe" => ClientFrame::Unsubscribe { id: SubscriptionId(fields.small("id")) },
        "publish" => ClientFrame::Publish(fields.publish()),
        "fetch" => ClientFrame::Fetch {
            id: FetchId(fields.small("id")),
            selector: fields.bytes("selector"),
            history: (fields.text("what") == "events").then(|| fields.history_start()),
            limit: fields.number("limit"),
        },
        "repair" => ClientFrame::Repair { topic: fields.topic() },
        "pong" => ClientFrame::Pong { token: fields.number("token") },
        "goodbye" => ClientFrame::Goodbye(fields.goodbye()),
        "ping" => ClientFrame::Ping { token: fields.number("token") },
        other => panic!("no frame {other} of a client"),
    }
}

pub(crate) fn gateway_from_json(value: &Value) -> GatewayFrame<'static> {
    let fields = Fields(value.as_object().unwrap());
    match fields.text("frame") {
        "delta" => GatewayFrame::Delta {
            topic: fields.topic(),
            distance: fields.number("distance"),
            check: fields.small("check"),
            delta: fields.bytes("delta"),
        },
        "snapshot" => GatewayFrame::Snapshot {
            topic: fields.topic(),
            version: fields.version(),
            check: fields.small("check"),
            value: fields.bytes("value"),
        },
        "event" => GatewayFrame::Event {
            topic: fields.topic(),
            distance: fields.number("distance"),
            value: fields.bytes("value"),
        },
        "announce" => GatewayFrame::Announce(Announce {
            topic: fields.topic(),
            partition: Partition(fields.small("partition")),
            kind: fields.topic_kind(),
            value_type: fields.value_type(),
            version: fields.version(),
            sequence: fields.number("sequence"),
            path: fields.path(),
        }),
        "removed" => GatewayFrame::Removed { topic: fields.topic(), version: fields.version() },
        "gap" => {
            GatewayFrame::Gap { topic: fields.topic(), version: fields.version(), sequence: fields.number("sequence") }
        }
        "mark" => GatewayFrame::Mark { partition: Partition(fields.small("partition")), version: fields.version() },
        "ack" => GatewayFrame::Ack(Ack {
            number: PublishNumber(fields.number("number")),
            code: fields.small("code"),
            version: fields.version(),
        }),
        "ping" => GatewayFrame::Ping { token: fields.number("token") },
        "welcome" => GatewayFrame::Welcome(Welcome {
            major: fields.number("major"),
            minor: fields.number("minor"),
            epoch: Epoch(fields.id16("epoch")),
            heartbeat_ms: fields.number("heartbeat"),
            max_message: fields.number("max_message"),
            max_value: fields.number("max_value"),
            max_in_flight: fields.number("max_in_flight"),
            max_subscriptions: fields.number("max_subscriptions"),
            applied: PublishNumber(fields.number("applied")),
            resumed: fields.flag("resumed"),
            principal: if fields.0.contains_key("principal") { fields.text("principal") } else { "" },
        }),
        "subscribed" => {
            GatewayFrame::Subscribed { id: SubscriptionId(fields.small("id")), topics: fields.number("topics") }
        }
        "fetched" => GatewayFrame::Fetched(Fetched {
            id: FetchId(fields.small("id")),
            path: fields.path(),
            kind: fields.topic_kind(),
            value_type: fields.value_type(),
            version: fields.version(),
            sequence: fields.number("sequence"),
            value: fields.bytes("value"),
        }),
        "fetch_end" => {
            GatewayFrame::FetchEnd { id: FetchId(fields.small("id")), more: fields.0["more"].as_bool().unwrap() }
        }
        "refused" => GatewayFrame::Refused(Refused {
            request: match fields.text("request") {
                "subscription" => RequestRef::Subscription(SubscriptionId(fields.small("id"))),
                _ => RequestRef::Fetch(FetchId(fields.small("id"))),
            },
            code: fields.small("code"),
            reason: fields.text("reason"),
        }),
        "goodbye" => GatewayFrame::Goodbye(fields.goodbye()),
        "move" => GatewayFrame::Move(Move { within_ms: fields.number("within"), redirect: fields.text("redirect") }),
        "pong" => GatewayFrame::Pong { token: fields.number("token") },
        "unsubscribed" => GatewayFrame::Unsubscribed { id: SubscriptionId(fields.small("id")) },
        other => panic!("no frame {other} of a gateway"),
    }
}

fn start_to_json(start: HistoryStart) -> Value {
    match start {
        HistoryStart::Live => json!("live"),
        HistoryStart::Last(count) => json!({ "last": count }),
        HistoryStart::All => json!("all"),
        HistoryStart::After(version) => json!({ "after": version.0 }),
        other => panic!("{other:?} has no name"),
    }
}

fn goodbye_to_json(goodbye: &Goodbye<'_>) -> Value {
    let Goodbye { code, reason, retry_after_ms, redirect, speaks } = goodbye;
    json!({ "frame": "goodbye", "code": code, "reason": reason, "retry_after": retry_after_ms, "redirect": redirect,
        "speaks": speaks })
}

fn publish_to_json(publish: &Publish<'_>) -> Value {
    let mut frame = json!({ "frame": "publish", "number": publish.number.0 });
    let (naming, path) = match publish.path {
        PublishPath::Whole(path) => (json!("whole"), Some(path)),
        PublishPath::Define(alias, path) => (json!({ "define": alias }), Some(path)),
        PublishPath::Alias(alias) => (json!({ "alias": alias }), None),
        other => panic!("{other:?} has no name"),
    };
    frame["naming"] = naming;
    if let Some(path) = path {
        frame["path"] = bytes_to_json(path);
    }
    frame["condition"] = match publish.condition {
        Condition::Always => json!("always"),
        Condition::IfAbsent => json!("if_absent"),
        Condition::IfVersion(version) => json!({ "if_version": version.0 }),
        other => panic!("{other:?} has no name"),
    };
    let (operation, fields) = match publish.operation {
        Operation::Set { value_type, value } => {
            ("set", json!({ "type": value_type.name(), "value": bytes_to_json(value) }))
        }
        Operation::Append { value_type, value } => {
            ("append", json!({ "type": value_type.name(), "value": bytes_to_json(value) }))
        }
        Operation::Delta { base, check, delta } => {
            ("delta", json!({ "base": base.0, "check": check, "delta": bytes_to_json(delta) }))
        }
        Operation::JsonPatch { patch } => ("json_patch", json!({ "patch": bytes_to_json(patch) })),
        Operation::MergePatch { patch } => ("merge_patch", json!({ "patch": bytes_to_json(patch) })),
        Operation::Remove => ("remove", json!({})),
        Operation::Create(properties) => {
            let flags = [(properties.retain, "retain"), (properties.conflate, "conflate")];
            let flags: Vec<&str> = flags.into_iter().filter_map(|(set, name)| set.then_some(name)).collect();
            let TopicProperties { kind, value_type, history, history_age_ms, .. } = properties;
            (
                "create",
                json!({ "topic_kind": kind.name(), "type": value_type.name(), "flags": flags,
                "history": history, "history_age": history_age_ms }),
            )
        }
        other => panic!("{other:?} has no name"),
    };
    frame["operation"] = json!(operation);
    frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    frame
}

pub(crate) fn client_to_json(frame: &ClientFrame<'_>) -> Value {
    match frame {
        ClientFrame::Hello(hello) if hello.major != 1 => {
            json!({ "frame": "hello", "major": hello.major, "minor": hello.minor })
        }
        ClientFrame::Hello(hello) => {
            let mut frame = json!({ "frame": "hello", "major": hello.major, "minor": hello.minor,
                "publisher": to_hex(&hello.publisher.0), "settled": hello.settled.0,
                "max_message": hello.max_message, "agent": hello.agent });
            if let Some(ResumePoint { epoch, marks, exceptions }) = &hello.resume {
                let marks: Vec<_> = marks.iter().map(|(partition, version)| json!([partition.0, version.0])).collect();
                let exceptions: Vec<_> =
                    exceptions.iter().map(|(topic, version)| json!([topic.0, version.0])).collect();
                frame["resume"] = json!({ "epoch": to_hex(&epoch.0), "marks": marks, "exceptions": exceptions });
            }
            if !hello.credentials.is_empty() {
                frame["credentials"] = bytes_to_json(hello.credentials);
            }
            frame
        }
        ClientFrame::Subscribe(subscribe) => {
            let mut frame = json!({ "frame": "subscribe", "id": subscribe.id.0,
                "selector": bytes_to_json(subscribe.selector), "max_rate": subscribe.max_rate_millihertz,
                "from": start_to_json(subscribe.from) });
            match subscribe.resume {
                Resume::No => {}
                Resume::Partly => frame["resume_partly"] = json!(true),
                Resume::Fully => frame["resume"] = json!(true),
            }
            frame
        }
        ClientFrame::Unsubscribe { id } => json!({ "frame": "unsubscribe", "id": id.0 }),
        ClientFrame::Publish(publish) => publish_to_json(publish),
        ClientFrame::Fetch { id, selector, history, limit } => {
            let mut frame = json!({ "frame": "fetch", "id": id.0, "selector": bytes_to_json(selector), "limit": limit,
                "what": if history.is_some() { "events" } else { "values" } });
            if let Some(start) = history {
                frame["from"] = start_to_json(*start);
            }
            frame
        }
        ClientFrame::Repair { topic } => json!({ "frame": "repair", "topic": topic.0 }),
        ClientFrame::Pong { token } => json!({ "frame": "pong", "token": token }),
        ClientFrame::Goodbye(goodbye) => goodbye_to_json(goodbye),
        ClientFrame::Ping { token } => json!({ "frame": "ping", "token": token }),
        other => panic!("{other:?} has no name"),
    }
}

pub(crate) fn gateway_to_json(frame: &GatewayFrame<'_>) -> Value {
    match frame {
        GatewayFrame::Delta { topic, distance, check, delta } => json!({ "frame": "delta", "topic": topic.0,
            "distance": distance, "check": check, "delta": bytes_to_json(delta) }),
        GatewayFrame::Snapshot { topic, version, check, value } => json!({ "frame": "snapshot", "topic": topic.0,
            "version": version.0, "check": check, "value": bytes_to_json(value) }),
        GatewayFrame::Event { topic, distance, value } => {
            json!({ "frame": "event", "topic": topic.0, "distance": distance, "value": bytes_to_json(value) })
        }
        GatewayFrame::Announce(announce) => json!({ "frame": "announce", "topic": announce.topic.0,
            "partition": announce.partition.0, "topic_kind": announce.kind.name(),
            "type": announce.value_type.name(), "version": announce.version.0, "sequence": announce.sequence,
            "path": announce.path.as_str() }),
        GatewayFrame::Removed { topic, version } => {
            json!({ "frame": "removed", "topic": topic.0, "version": version.0 })
        }
        GatewayFrame::Gap { topic, version, sequence } => {
            json!({ "frame": "gap", "topic": topic.0, "version": version.0, "sequence": sequence })
        }
        GatewayFrame::Mark { partition, version } => {
            json!({ "frame": "mark", "partition": partition.0, "version": version.0 })
        }
        GatewayFrame::Ack(ack) => {
            json!({ "frame": "ack", "number": ack.number.0, "code": ack.code, "version": ack.version.0 })
        }
        GatewayFrame::Ping { token } => json!({ "frame": "ping", "token": token }),
        GatewayFrame::Welcome(welcome) => {
            let mut frame = json!({ "frame": "welcome", "major": welcome.major, "minor": welcome.minor,
                "epoch": to_hex(&welcome.epoch.0), "heartbeat": welcome.heartbeat_ms,
                "max_message": welcome.max_message, "max_value": welcome.max_value,
                "max_in_flight": welcome.max_in_flight, "max_subscriptions": welcome.max_subscriptions,
                "applied": welcome.applied.0 });
            if welcome.resumed {
                frame["resumed"] = json!(true);
            }
            if !welcome.principal.is_empty() {
                frame["principal"] = json!(welcome.principal);
            }
            frame
        }
        GatewayFrame::Subscribed { id, topics } => json!({ "frame": "subscribed", "id": id.0, "topics": topics }),
        GatewayFrame::Fetched(fetched) => json!({ "frame": "fetched", "id": fetched.id.0,
            "path": fetched.path.as_str(), "topic_kind": fetched.kind.name(), "type": fetched.value_type.name(),
            "version": fetched.version.0, "sequence": fetched.sequence, "value": bytes_to_json(fetched.value) }),
        GatewayFrame::FetchEnd { id, more } => json!({ "frame": "fetch_end", "id": id.0, "more": more }),
        GatewayFrame::Refused(refused) => {
            let (request, id) = match refused.request {
                RequestRef::Subscription(id) => ("subscription", id.0),
                RequestRef::Fetch(id) => ("fetch", id.0),
                other => panic!("{other:?} has no name"),
            };
            json!({ "frame": "refused", "request": request, "id": id, "code": refused.code,
                "reason": refused.reason })
        }
        GatewayFrame::Goodbye(goodbye) => goodbye_to_json(goodbye),
        GatewayFrame::Move(Move { within_ms, redirect }) => {
            json!({ "frame": "move", "within": within_ms, "redirect": redirect })
        }
        GatewayFrame::Pong { token } => json!({ "frame": "pong", "token": token }),
        GatewayFrame::Unsubscribed { id } => json!({ "frame": "unsubscribed", "id": id.0 }),
        other => panic!("{other:?} has no name"),
    }
}
