//! The gateway's configuration: what is taken, what is refused and where the fault is said to be.

#![allow(clippy::unwrap_used, reason = "a test may end in a panic")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use outpour_core::{TopicKind, ValueType};
use outpour_server::auth::{AuthError, Identity};
use outpour_server::config::{Config, ConfigError, FsyncPolicy, LogFormat, Overlay};
use outpour_server::gateway::GatewayConfig;
use outpour_server::log::Fsync;

fn read(text: &str) -> Result<Config, ConfigError> {
    Config::read("gateway.toml", text, [], &Overlay::default())
}

fn with_environment(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::read("gateway.toml", text, variables, &Overlay::default())
}

#[track_caller]
fn assert_refused(text: &str, sentence: &str) {
    assert_eq!(read(text).unwrap_err().to_string(), sentence, "{text}");
}

#[test]
fn nothing_said_gives_the_gateways_defaults() {
    let config = read("").unwrap();
    assert_eq!(format!("{:?}", config.gateway), format!("{:?}", GatewayConfig::default()));
    assert_eq!((config.allow_anonymous, config.log.as_str(), config.log_format), (false, "info", LogFormat::Text));
}

#[test]
fn everything_reaches_its_place() {
    let config = read(
        r#"
        listen = "[::1]:0"
        workers = 3
        allow_anonymous = true
        allowed_origins = ["https://example.com", "http://localhost:3000"]
        console = false
        log = "warn,outpour_server=debug"
        log_format = "json"
        shutdown_grace = "250ms"
        retry_after = "2m"

        [drain]
        redirect = ["wss://a.example", "ws://[::1]:7400"]

        [auth]
        required = true
        grace = "3s"
        [[auth.token]]
        token = "0123456789abcdef"
        principal = "anna"
        expires = 1970-01-01T00:00:05Z
        [[auth.token]]
        sha256 = "9F9F5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929e"
        principal = "bert"

        [limits]
        max_message = "8MiB"
        max_value = 65536
        max_topics = 1
        max_publishers = 2
        max_connections = 3
        admissions_per_second = 12
        handshake_timeout = "4s"
        heartbeat = "5s"
        max_subscriptions_per_session = 6
        max_topics_per_session = 7
        max_publishes_in_flight = 8
        max_fetches_in_flight = 9
        max_session_memory = "10MiB"
        messages_per_second = 11
        max_upgrade_request = "12KiB"

        [[topic]]
        selector = "trades/*"
        kind = "event"
        type = "int64"
        history = 0x10
        history_age = "1h"
        history_bytes = "64 KiB"

        [[topic]]
        selector = "**"
        kind = "value"
        retain = false
        conflate = false
        "#,
    )
    .unwrap();
    let gateway = config.gateway;
    assert_eq!((gateway.listen, gateway.workers), ("[::1]:0".parse().unwrap(), 3));
    assert!(config.allow_anonymous && !config.console);
    assert_eq!(gateway.upgrade.allowed_origins, ["https://example.com", "http://localhost:3000"]);
    assert_eq!((config.log.as_str(), config.log_format), ("warn,outpour_server=debug", LogFormat::Json));
    assert_eq!(gateway.shutdown_grace, Duration::from_millis(250));
    assert_eq!(gateway.retry_after, Duration::from_secs(120));
    assert_eq!(gateway.redirects, ["wss://a.example", "ws://[::1]:7400"]);
    let shard = &gateway.shard;
    assert_eq!(shard.credentials_grace, Duration::from_secs(3));
    let identity = |at| shard.authenticator.authenticate(b"0123456789abcdef", at);
    assert_eq!(identity(4_999), Ok(Identity { principal: "anna".into(), expires_ms: Some(5_000) }));
    assert_eq!(identity(5_000), Err(AuthError::Expired));
    assert_eq!(shard.authenticator.authenticate(b"", 0), Err(AuthError::Missing));
    assert_eq!(gateway.admissions_per_second, 12);
    let (peer, broker) = (&gateway.shard.peer, &gateway.broker);
    assert_eq!((peer.max_message, peer.max_value, broker.max_value), (8 << 20, 65_536, 65_536));
    assert_eq!((broker.max_topics, broker.max_publishers, gateway.max_connections), (1, 2, 3));
    assert_eq!((peer.handshake_timeout, peer.heartbeat), (Duration::from_secs(4), Duration::from_secs(5)));
    assert_eq!((peer.max_subscriptions, gateway.shard.max_topics_per_session), (6, 7));
    assert_eq!((peer.max_in_flight, peer.max_fetches), (8, 9));
    assert_eq!((peer.max_memory, peer.messages_per_second, gateway.upgrade.max_head), (10 << 20, 11, 12 << 10));

    let [trades, rest] = &broker.rules[..] else { panic!("two rules") };
    assert_eq!(trades.selector.as_str(), "trades/*");
    assert_eq!((trades.kind, trades.value_type), (Some(TopicKind::Event), Some(ValueType::Int64)));
    assert_eq!(
        (trades.history, trades.history_age_ms, trades.history_bytes),
        (Some(16), Some(3_600_000), Some(65_536))
    );
    assert_eq!((trades.retain, trades.conflate), (None, None));
    assert_eq!((rest.kind, rest.retain, rest.conflate), (Some(TopicKind::Value), Some(false), Some(false)));
    assert_eq!((rest.value_type, rest.history, rest.history_age_ms, rest.history_bytes), (None, None, None, None));
}

#[test]
fn a_flag_goes_before_a_variable_and_that_before_the_file() {
    let file = "log = 'error'\nworkers = 1\nallowed_origins = ['https://file.example']\n[limits]\nmax_topics = 1";
    let variables = [
        ("OUTPOUR_LOG", "warn"),
        ("OUTPOUR_WORKERS", "2"),
        ("OUTPOUR_LOG_FORMAT", "json"),
        ("OUTPOUR_SHUTDOWN_GRACE", "7s"),
        ("OUTPOUR_ALLOWED_ORIGINS", "https://a.example, https://b.example"),
    ];
    let from_file = read(file).unwrap();
    assert_eq!((from_file.log.as_str(), from_file.gateway.workers), ("error", 1));

    let over_file = with_environment(file, &variables).unwrap();
    assert_eq!((over_file.log.as_str(), over_file.gateway.workers), ("warn", 2));
    assert_eq!((over_file.log_format, over_file.gateway.broker.max_topics), (LogFormat::Json, 1));
    assert_eq!(over_file.gateway.shutdown_grace, Duration::from_secs(7));
    assert_eq!(over_file.gateway.upgrade.allowed_origins, ["https://a.example", "https://b.example"]);

    let overlay = Overlay {
        listen: Some(([127, 0, 0, 1], 9).into()),
        workers: Some(4),
        allow_anonymous: Some(true),
        allowed_origins: Some(vec!["*".into()]),
        console: Some(false),
        redirects: Some(vec!["ws://a".into()]),
        log: Some("trace".into()),
        log_format: Some(LogFormat::Text),
        data: Some("/var/lib/outpour".into()),
        fsync: Some(FsyncPolicy::Always),
    };
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let over_all = Config::read("gateway.toml", file, variables, &overlay).unwrap();
    assert_eq!((over_all.log.as_str(), over_all.gateway.workers, over_all.log_format), ("trace", 4, LogFormat::Text));
    assert_eq!((over_all.gateway.listen.port(), over_all.allow_anonymous), (9, true));
    assert!(from_file.console && !over_all.console);
    assert_eq!(over_all.gateway.upgrade.allowed_origins, ["*"]);
    assert_eq!(over_all.data.as_deref(), Some("/var/lib/outpour".as_ref()));
    assert_eq!(over_all.disk_options().fsync, Fsync::Always);
    assert_eq!(over_all.gateway.redirects, ["ws://a"]);
    assert_eq!(over_all.gateway.broker.max_topics, 1);
}

#[test]
fn errors_name_file_line_and_column() {
    for (text, sentence) in [
        ("log = 'info'\nworkers = 'four'", "gateway.toml:2:11: workers can't be \"four\": give 0 to 1024"),
        ("workers = -1", "gateway.toml:1:11: workers can't be this number: give 0 to 1024"),
        ("workers = 1.5", "gateway.toml:1:11: workers can't be a number with a point: give 0 to 1024"),
        (
            "listen = 'localhost'",
            "gateway.toml:1:10: listen can't be \"localhost\": give an address and port such as 127.0.0.1:7400",
        ),
        ("allow_anonymous = 1", "gateway.toml:1:19: allow_anonymous can't be 1: give true or false"),
        (
            "\n\nallowed_origins = ['example.com']",
            "gateway.toml:3:19: allowed_origins can't be this list: give a list of origins such as \
             https://example.com, or *",
        ),
        (
            "[drain]\nredirect = ['http://a.example']",
            "gateway.toml:2:12: drain.redirect can't be this list: give a list of gateways such as \
             wss://other.example.com",
        ),
        ("retry_after = 5", "gateway.toml:1:15: retry_after can't be 5: give 0s to 1h"),
        ("ü = 1", "gateway.toml:1:1: invalid unquoted key, expected letters, numbers, `-`, `_`"),
        ("listen = \"127.0.0.1:7400\nlog = 'info'", "gateway.toml:1:25: invalid basic string, expected `\"`"),
        ("[limits]\nmax_topics = 1\nmax_topics = 2", "gateway.toml:3:1: duplicate key"),
        (
            "# ü\nlisten = {}",
            "gateway.toml:2:10: listen can't be a table: give an address and port such as 127.0.0.1:7400",
        ),
        ("limits = 3", "gateway.toml:1:10: limits is a table: write [limits]"),
        ("topic = 3", "gateway.toml:1:9: topic is a list of rules: write [[topic]] for each"),
        ("topic = [3]", "gateway.toml:1:10: a topic rule is a table: write [[topic]]"),
        (
            "[limits]\nmax_topic = 1",
            "gateway.toml:2:1: there is no setting \"limits.max_topic\": did you mean limits.max_topics?",
        ),
        ("max_topics = 1", "gateway.toml:1:1: there is no setting \"max_topics\": did you mean limits.max_topics?"),
        (
            "completely_else = 1",
            "gateway.toml:1:1: there is no setting \"completely_else\"; docs/configuration.md lists them",
        ),
        // Of two errors the first in the file is told.
        ("z = 1\na = 1", "gateway.toml:1:1: there is no setting \"z\"; docs/configuration.md lists them"),
    ] {
        assert_refused(text, sentence);
    }
}

#[test]
fn rules_are_checked() {
    for (text, sentence) in [
        ("[[topic]]\nkind = 'event'", "gateway.toml:1:1: this rule has no selector: say which topics it is for"),
        (
            "[[topic]]\nselector = ''",
            "gateway.toml:2:12: selector can't be \"\": give a selector such as \"prices/**\": the selector is empty: \
             '**' selects every topic",
        ),
        (
            "[[topic]]\nselector = 'a'\nkind = 'list'",
            "gateway.toml:3:8: kind can't be \"list\": give \"value\" or \"event\"",
        ),
        (
            "[[topic]]\nselector = 'a'\ntype = 'xml'",
            "gateway.toml:3:8: type can't be \"xml\": give \"json\", \"text\", \"binary\", \"int64\" or \"double\"",
        ),
        (
            "[[topic]]\nselector = 'a'\nhistory = 1000001",
            "gateway.toml:3:11: history can't be 1000001: give 0 to 1000000 events or updates",
        ),
        (
            "[[topic]]\nselector = 'a'\nhistory_age = '366d'",
            "gateway.toml:3:15: history_age can't be \"366d\": give \"0s\" (no limit) to \"365d\"",
        ),
        (
            "[[topic]]\nselector = 'a'\nhistory_bytes = '2GiB'",
            "gateway.toml:3:17: history_bytes can't be \"2GiB\": give 0 to \"1GiB\"",
        ),
        ("[[topic]]\nselector = 'a'\nretain = 'yes'", "gateway.toml:3:10: retain can't be \"yes\": give true or false"),
        (
            "[[topic]]\nselector = 'a'\nretian = true",
            "gateway.toml:3:1: there is no key of a rule \"retian\": did you mean retain?",
        ),
        (
            "[[topic]]\nselector = 'a'\nkind = 'event'\nconflate = true",
            "gateway.toml:4:12: conflate has no meaning for event topics, which keep every event: leave it out, or \
             set kind = \"value\"",
        ),
        (
            "[[topic]]\nselector = 'a/**'\n[[topic]]\nselector = 'a/**/**'",
            "gateway.toml:3:1: an earlier rule has the selector \"a/**\" too, and the first that matches holds: make \
             them one",
        ),
    ] {
        assert_refused(text, sentence);
    }
    let rules: String = (0..1_001).map(|number| format!("[[topic]]\nselector = 'a/{number}'\n")).collect();
    assert!(read(&rules).unwrap_err().to_string().ends_with("there are 1001 topic rules: give at most 1000"));
}

/// What lies just inside and just outside of each range, as it is written.
#[test]
fn every_limit_has_its_range() {
    for (name, inside, outside) in [
        ("workers", vec!["0", "1024"], vec!["1025", "''"]),
        ("shutdown_grace", vec!["'0s'", "'10m'"], vec!["'601s'", "'5'", "5"]),
        ("retry_after", vec!["'0s'", "'1h'"], vec!["'61m'"]),
        ("limits.max_message", vec!["'64MiB'", "1050624"], vec!["4095", "'65MiB'", "'1MB'"]),
        ("limits.max_value", vec!["1024", "'1MiB'"], vec!["1023", "'17MiB'", "16777217"]),
        ("limits.max_topics", vec!["1", "1000000000"], vec!["0", "1000000001", "99999999999999999999", "'1'"]),
        ("limits.max_publishers", vec!["1", "1000000000"], vec!["0", "1000000001"]),
        ("limits.max_connections", vec!["1", "10000000"], vec!["0", "10000001"]),
        ("limits.admissions_per_second", vec!["1", "1000000"], vec!["0", "1000001"]),
        ("limits.handshake_timeout", vec!["'100ms'", "'5m'"], vec!["'99ms'", "'301s'"]),
        ("limits.heartbeat", vec!["'1s'", "'10m'"], vec!["'999ms'", "'601s'"]),
        ("limits.max_subscriptions_per_session", vec!["1", "1000000"], vec!["0", "1000001"]),
        ("limits.max_topics_per_session", vec!["1", "1000000000"], vec!["0", "1000000001"]),
        ("limits.max_publishes_in_flight", vec!["1", "1024"], vec!["0", "1025"]),
        ("limits.max_fetches_in_flight", vec!["1", "65536"], vec!["0", "65537"]),
        ("limits.max_session_memory", vec!["'2MiB'", "'64GiB'"], vec!["1048575", "'65GiB'"]),
        ("limits.messages_per_second", vec!["1", "10000000"], vec!["0", "10000001"]),
        ("limits.max_upgrade_request", vec!["8192", "'64KiB'"], vec!["8191", "'65KiB'"]),
    ] {
        let setting = Config::settings().iter().find(|setting| setting.name() == name).unwrap();
        for value in inside {
            assert!(read(&format!("{name} = {value}")).is_ok(), "{name} = {value}");
            let word = value.trim_matches('\'');
            assert!(with_environment("", &[(&setting.variable(), word)]).is_ok(), "{name} = {value}");
        }
        for value in outside {
            let error = read(&format!("{name} = {value}")).unwrap_err().to_string();
            assert!(error.starts_with("gateway.toml:1:"), "{error}");
            assert!(error.ends_with(&format!(": give {}", setting.range())), "{error}");
        }
    }
}

#[test]
fn settings_have_to_agree() {
    assert_refused(
        "[limits]\nmax_value = '2MiB'",
        "gateway.toml:2:13: limits.max_message is 2MiB, but a value of limits.max_value needs 2050KiB: raise the one or \
         lower the other",
    );
    assert_refused(
        "[limits]\nmax_value = '2MiB'\nmax_message = '2MiB'",
        "gateway.toml:3:15: limits.max_message is 2MiB, but a value of limits.max_value needs 2050KiB: raise the one or \
         lower the other",
    );
    assert!(read("[limits]\nmax_value = '2MiB'\nmax_message = '2050KiB'").is_ok());
    assert_refused(
        "[limits]\nmax_session_memory = '1MiB'",
        "gateway.toml:2:22: limits.max_session_memory is 1MiB, but a session may send messages of 2MiB: raise the one \
         or lower limits.max_message",
    );
}

#[test]
fn beyond_the_machine_only_on_request() {
    for address in ["127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(read(&format!("listen = '{address}'")).is_ok(), "{address}");
    }
    for address in ["0.0.0.0:7400", "[::]:7400", "192.0.2.1:7400", "[2001:db8::1]:7400", "[::ffff:192.0.2.1]:7400"] {
        let error = read(&format!("listen = '{address}'")).unwrap_err().to_string();
        assert!(error.starts_with("gateway.toml:1:10: "), "{error}");
        assert!(error.contains(address) && error.contains("--allow-anonymous"), "{error}");
        assert!(read(&format!("listen = '{address}'\nallow_anonymous = true")).is_ok(), "{address}");
    }
    let overlay = Overlay { listen: Some(([0, 0, 0, 0], 0).into()), ..Overlay::default() };
    assert!(
        Config::load(None, [], &overlay).unwrap_err().to_string().starts_with("--listen: 0.0.0.0:0 can be reached")
    );
}

#[test]
fn tokens_are_checked() {
    const PRINCIPAL: &str = "principal = 'anna'";
    for (text, sentence) in [
        (
            "[auth]\nrequired = true",
            "gateway.toml:2:12: every client has to show a token, and none is known: give some in [[auth.token]] or \
             auth.tokens_file",
        ),
        ("auth = 1", "gateway.toml:1:8: auth is a table: write [auth]"),
        ("[auth]\ntoken = 'x'", "gateway.toml:2:9: auth.token is a list: write [[auth.token]]"),
        ("[auth]\ntoken = ['x']", "gateway.toml:2:10: a token is a table: write [[auth.token]]"),
        ("[[auth.token]]", "gateway.toml:1:1: this entry has no token: give token or sha256"),
        (
            "[[auth.token]]\ntoken = '0123456789abcdef'",
            "gateway.toml:1:1: this token has no principal: say whose it is",
        ),
        (
            "[[auth.token]]\ntoken = '0123456789abcde'",
            "gateway.toml:2:9: a token has at least 16 bytes; draw one with: openssl rand -hex 16",
        ),
        (
            "[[auth.token]]\nsha256 = '0123456789abcdef'",
            "gateway.toml:2:10: a token's sha256 has 64 hexadecimal digits; make it with: printf %s TOKEN | sha256sum",
        ),
        // What was meant to be a secret is not repeated.
        ("[[auth.token]]\ntoken = 12345", "gateway.toml:2:9: token can't be this: give a text of at least 16 bytes"),
        (
            "[[auth.token]]\nexpires = 2030-01-31",
            "gateway.toml:2:11: expires can't be a date: give a date and time with its zone such as \
             2030-01-31T12:00:00Z",
        ),
        (
            "[[auth.token]]\nexpires = 'soon'",
            "gateway.toml:2:11: expires can't be \"soon\": give a date and time with its zone such as \
             2030-01-31T12:00:00Z",
        ),
        (
            "[[auth.token]]\nname = 'anna'",
            "gateway.toml:2:1: there is no key of a token \"name\"; docs/configuration.md lists them",
        ),
    ] {
        assert_refused(text, sentence);
    }
    let entry = |token: &str| format!("[[auth.token]]\ntoken = '{token}'\n{PRINCIPAL}\n");
    assert!(read(&entry("0123456789abcdef")).is_ok());
    let twice = entry("0123456789abcdef").repeat(2);
    assert_refused(&twice, "gateway.toml:4:1: another entry has the same token, and each stands for one principal");
    let both = format!("{}sha256 = ''", entry("0123456789abcdef"));
    assert!(read(&both).unwrap_err().to_string().contains("not as both"));
    let error = with_environment("", &[("OUTPOUR_AUTH_REQUIERD", "true")]).unwrap_err().to_string();
    assert!(error.contains("OUTPOUR_AUTH_REQUIERD"), "{error}");
}

#[test]
fn tokens_may_be_in_a_file_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let name = file.to_str().unwrap();
    let config =
        || with_environment("listen = '0.0.0.0:0'\nauth.required = true", &[("OUTPOUR_AUTH_TOKENS_FILE", name)]);
    assert!(config().unwrap_err().to_string().starts_with(&format!("{name} can't be read: ")));
    fs::write(&file, "[[token]]\ntoken = '0123456789abcdef'\nprincipal = 'anna'\nexpires = '2030-01-31T12:00:00Z'")
        .unwrap();
    let authenticator = config().unwrap().gateway.shard.authenticator;
    assert_eq!(authenticator.authenticate(b"0123456789abcdef", 0).unwrap().principal, "anna");
    fs::write(&file, "[[token]]\ntoken = '0123456789abcdef'\nprincipal = ''").unwrap();
    let error = config().unwrap_err().to_string();
    assert_eq!(error, format!("{name}:1:1: a principal is a name of 1 to 1024 bytes without control characters"));
    fs::write(&file, "[auth]").unwrap();
    let error = config().unwrap_err().to_string();
    assert_eq!(error, format!("{name}:1:2: a file of tokens has [[token]] entries and nothing else"));
}

#[test]
fn variables_are_checked_like_the_file() {
    for (name, value, sentence) in [
        ("OUTPOUR_WORKERS", "", "environment variable OUTPOUR_WORKERS: workers can't be \"\": give 0 to 1024"),
        (
            "OUTPOUR_LIMITS_MAX_VALUE",
            "32MiB",
            "environment variable OUTPOUR_LIMITS_MAX_VALUE: limits.max_value can't be \"32MiB\": give 1KiB to 16MiB",
        ),
        (
            "OUTPOUR_LIMITS_MAX_VALEU",
            "1MiB",
            "environment variable OUTPOUR_LIMITS_MAX_VALEU: there is no such setting; docs/configuration.md lists them",
        ),
        (
            "OUTPOUR_ALLOW_ANONYMOUS",
            "yes",
            "environment variable OUTPOUR_ALLOW_ANONYMOUS: allow_anonymous can't be \"yes\": give true or false",
        ),
    ] {
        assert_eq!(with_environment("", &[(name, value)]).unwrap_err().to_string(), sentence);
    }
    // Kubernetes sets this one for a service that is called outpour.
    assert!(with_environment("", &[("OUTPOUR_PORT", "tcp://192.0.2.1:7400"), ("PATH", "/bin")]).is_ok());
    assert!(
        with_environment("", &[("OUTPOUR_ALLOWED_ORIGINS", "")]).unwrap().gateway.upgrade.allowed_origins.is_empty()
    );
}

#[test]
fn files_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let load = |name: &str| {
        let path = folder.path().join(name);
        let error = Config::load(Some(&path), [], &Overlay::default()).unwrap_err().to_string();
        assert!(error.starts_with(&path.display().to_string()), "{error}");
        error
    };
    assert!(load("absent.toml").contains("can't be read"));
    fs::write(folder.path().join("binary.toml"), [0xff; 8]).unwrap();
    assert!(load("binary.toml").contains("UTF-8"));
    fs::write(folder.path().join("huge.toml"), vec![b'\n'; (1 << 20) + 1]).unwrap();
    assert!(load("huge.toml").contains("more than 1048576 bytes"));
    fs::write(folder.path().join("wrong.toml"), "\nworkers = 'x'").unwrap();
    assert!(load("wrong.toml").contains("wrong.toml:2:11: "));
}

fn project(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

#[test]
fn the_example_shows_the_defaults() {
    let path = project("examples/outpour.toml");
    let text = fs::read_to_string(&path).unwrap();
    let mut config = Config::load(Some(&path), [], &Overlay::default()).unwrap();
    assert_eq!(config.gateway.broker.rules.len(), 3);
    config.gateway.broker.rules.clear();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    for setting in Config::settings() {
        let key = setting.name().rsplit('.').next().unwrap();
        assert!(text.contains(&format!("\n{key} = ")), "{key}");
    }
}

#[test]
fn the_documentation_has_every_setting_as_it_is() {
    let text = fs::read_to_string(project("docs/configuration.md")).unwrap();
    for setting in Config::settings() {
        let row = format!(
            "| `{}` | `{}` | {} | `{}` |",
            setting.name(),
            setting.default_value(),
            setting.range(),
            setting.variable()
        );
        assert!(text.contains(&row), "docs/configuration.md lacks the row\n{row}");
        assert!(text.contains(&format!("\n- `{}`: ", setting.name())), "{} is not explained", setting.name());
    }
    for (key, form) in Config::rule_keys().iter().chain(Config::token_keys()) {
        assert!(text.contains(&format!("| `{key}` | {form} |")), "docs/configuration.md lacks | `{key}` | {form} |");
    }
}
