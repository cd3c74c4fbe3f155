//! Who is let in by what they show, and for how long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use outpour_core::ErrorCode;
use outpour_core::wire::{ClientFrame, Hello};
use outpour_gateway_tests::{Client, Setup, TestGateway, Told, gateway, gateway_with, hello, set, subscribe};
use outpour_server::auth::{AuthError, Authenticator, Identity, Token, TokenDigest, Tokens};

const ANNA: &[u8] = b"the token of Anna, who stays";
const BERT: &[u8] = b"the token of Bert, whose time ends";

/// A gateway that knows Anna for ever and Bert up to a time.
fn gateway_of_two(is_required: bool, bert_until_ms: u64, grace: Duration) -> TestGateway {
    let mut tokens = Tokens::new();
    tokens.set_required(is_required);
    for (token, principal, expires_ms) in [(ANNA, "anna", None), (BERT, "bert", Some(bert_until_ms))] {
        let digest = TokenDigest::of(token).expect("long enough");
        tokens.add(Token { digest, identity: Identity { principal: principal.into(), expires_ms } }).expect("taken");
    }
    gateway_with(|config, _| {
        config.shard.authenticator = Arc::new(tokens);
        config.shard.credentials_grace = grace;
    })
}

fn hello_with(credentials: &[u8]) -> ClientFrame<'_> {
    match hello(&Setup::publisher("who")) {
        ClientFrame::Hello(hello) => ClientFrame::Hello(Hello { credentials, ..hello }),
        other => other,
    }
}

/// A client that says hello with credentials.
fn open(gateway: &TestGateway, credentials: &[u8]) -> Client {
    let mut client = Client::open(gateway.address(), &Setup::publisher("who"));
    client.say(&[hello_with(credentials)]);
    client
}

fn principal(client: &mut Client) -> String {
    match client.hear() {
        Told::Welcome(welcome) => welcome.principal.to_owned(),
        other => panic!("not welcomed: {other:?}"),
    }
}

#[test]
fn a_token_makes_a_principal() {
    let gateway = gateway_of_two(true, u64::MAX, Duration::ZERO);
    assert_eq!(principal(&mut open(&gateway, ANNA)), "anna");
    assert_eq!(principal(&mut open(&gateway, BERT)), "bert");
}

#[test]
fn without_tokens_everybody_is_anybody() {
    let gateway = gateway();
    assert_eq!(principal(&mut open(&gateway, b"")), "");
    assert_eq!(principal(&mut open(&gateway, b"whatever")), "");
}

#[test]
fn whoever_is_not_known_is_told_so_and_nothing_of_what_came_along_is_done() {
    let gateway = gateway_of_two(true, u64::MAX, Duration::ZERO);
    let mut anna = open(&gateway, ANNA);
    anna.follow(1, "**");
    for (credentials, sentence) in [
        (&b""[..], "the gateway demands credentials, and the client has shown none"),
        (b"a token that nobody has been given", "the gateway does not know the client's credentials"),
        (&ANNA[1..], "the gateway does not know the client's credentials"),
    ] {
        let mut client = Client::open(gateway.address(), &Setup::publisher("who"));
        client.say(&[hello_with(credentials), set(1, "secret", "overwritten"), subscribe(1, "**")]);
        assert_eq!(client.expect_goodbye(ErrorCode::Unauthenticated), sentence);
        client.wait_gone();
    }
    // Anna's own is the first change there is.
    anna.say(&[set(1, "public", "first")]);
    let told = anna.all_until(|told| matches!(told, Told::Value { .. }));
    assert!(told.iter().all(|told| !format!("{told:?}").contains("secret")), "{told:?}");
    assert_eq!(gateway.statistics().topics, 1);
}

#[test]
fn credentials_may_be_left_out_where_they_are_not_required_but_not_be_wrong() {
    let gateway = gateway_of_two(false, u64::MAX, Duration::ZERO);
    assert_eq!(principal(&mut open(&gateway, b"")), "");
    assert_eq!(principal(&mut open(&gateway, ANNA)), "anna");
    open(&gateway, b"wrong").expect_goodbye(ErrorCode::Unauthenticated);
}

/// Gives everybody a little time.
#[derive(Debug)]
struct Fleeting(Duration);

impl Authenticator for Fleeting {
    fn authenticate(&self, credentials: &[u8], now_ms: u64) -> Result<Identity, AuthError> {
        let expires_ms = (!credentials.is_empty()).then_some(now_ms + self.0.as_millis() as u64);
        Ok(Identity { principal: "somebody".into(), expires_ms })
    }
}

fn fleeting_gateway(lifetime: Duration, grace: Duration) -> TestGateway {
    gateway_with(|config, _| {
        config.shard.authenticator = Arc::new(Fleeting(lifetime));
        config.shard.credentials_grace = grace;
    })
}

#[test]
fn a_session_ends_with_its_credentials_and_no_other_does() {
    let lifetime = Duration::from_millis(300);
    let gateway = fleeting_gateway(lifetime, Duration::ZERO);
    let mut lasting = open(&gateway, b"");
    assert_eq!(principal(&mut lasting), "somebody");
    let start = Instant::now();
    let mut ending = open(&gateway, b"for a while");
    assert_eq!(principal(&mut ending), "somebody");
    ending.follow(1, "**");
    ending.expect_goodbye(ErrorCode::CredentialsExpired);
    assert!(start.elapsed() >= lifetime, "not before they expired");
    ending.wait_gone();
    lasting.publish(1, &set(1, "still", "there")).expect("applied");
}

#[test]
fn a_session_may_outlast_its_credentials_by_the_grace() {
    let gateway = fleeting_gateway(Duration::from_millis(100), Duration::from_millis(500));
    let start = Instant::now();
    let mut client = open(&gateway, b"for a while");
    client.expect_goodbye(ErrorCode::CredentialsExpired);
    assert!(start.elapsed() >= Duration::from_millis(600), "not before the grace was over");
}

#[test]
fn credentials_that_have_expired_start_no_session() {
    // The grace is for sessions that there are.
    let gateway = gateway_of_two(true, 1_000, Duration::from_secs(3_600));
    let reason = open(&gateway, BERT).expect_goodbye(ErrorCode::CredentialsExpired);
    assert_eq!(reason, "the client's credentials have expired");
    assert_eq!(principal(&mut open(&gateway, ANNA)), "anna");
}
