//! Answers as scenarios expect them.

use outpour::{
    Error, Fault, FetchedItem, Replica, ResumeOutcome, Resumption, Statistics, TopicKind, Update, UpdateKind, ValueType,
};
use serde_json::{Value, json};

pub(crate) fn error(error: &Error) -> Value {
    let fault = match error.fault() {
        Fault::Nobody => "nobody",
        Fault::Caller => "caller",
        Fault::Peer => "peer",
        Fault::Network => "network",
        _ => "gateway",
    };
    let code = error.code();
    let mut said = json!({
        "code": code.number(), "reason": code.name(), "fault": fault, "retryable": error.is_retryable()
    });
    if let Some(version) = error.current_version() {
        said["version"] = json!(version.to_string());
    }
    json!({ "error": said })
}

pub(crate) fn value(value: &outpour::Value) -> Value {
    match value.value_type() {
        ValueType::Json => json!({ "json": value.as_str().unwrap() }),
        ValueType::Text => json!({ "text": value.as_str().unwrap() }),
        ValueType::Int64 => json!({ "int64": value.as_i64().unwrap().to_string() }),
        ValueType::Double => json!({ "double": format!("{:016x}", value.as_f64().unwrap().to_bits()) }),
        _ => json!({ "binary": value.bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
    }
}

pub(crate) fn update(update: &Update) -> Value {
    let (path, stale) = (update.path.as_str(), update.stale);
    match &update.kind {
        UpdateKind::Value { value: new, version } => json!({
            "kind": "value", "path": path, "stale": stale, "value": value(new), "version": version.to_string()
        }),
        UpdateKind::Event { value: event, version, sequence } => json!({
            "kind": "event", "path": path, "stale": stale, "value": value(event), "version": version.to_string(),
            "sequence": sequence
        }),
        UpdateKind::Gap { first, last } => {
            json!({ "kind": "gap", "path": path, "stale": stale, "first": first, "last": last })
        }
        UpdateKind::Removed => json!({ "kind": "removed", "path": path, "stale": stale }),
        other => json!({ "unknown": format!("{other:?}") }),
    }
}

pub(crate) fn item(item: &FetchedItem) -> Value {
    let mut said = json!({
        "kind": item.kind.name(), "path": item.path.as_str(), "value": value(&item.value), "version": item.version.to_string()
    });
    if item.kind == TopicKind::Event {
        said["sequence"] = json!(item.sequence);
    }
    said
}

pub(crate) fn replica(replica: &Replica) -> Value {
    json!({
        "path": replica.path.as_str(), "stale": replica.stale, "value": value(&replica.value),
        "version": replica.version.to_string()
    })
}

pub(crate) fn resumption(resumption: &Resumption) -> Value {
    match &resumption.outcome {
        ResumeOutcome::Complete => json!({ "outcome": "complete", "missed": [] }),
        ResumeOutcome::Afresh => json!({ "outcome": "afresh", "missed": [] }),
        ResumeOutcome::Gaps { missed, .. } => {
            let missed =
                missed.iter().map(|gap| json!({ "path": gap.path.as_str(), "first": gap.first, "last": gap.last }));
            json!({ "outcome": "gaps", "missed": missed.collect::<Vec<_>>() })
        }
        other => json!({ "outcome": format!("{other:?}") }),
    }
}

pub(crate) fn statistics(counted: &Statistics) -> Value {
    json!({
        "updates": counted.updates, "deltas": counted.deltas, "snapshots": counted.snapshots, "repairs": counted.repairs,
        "connections": counted.connections, "bytesReceived": counted.bytes_in, "bytesSent": counted.bytes_out,
        "fullValueBytes": counted.full_bytes
    })
}
