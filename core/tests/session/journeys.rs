//! Whatever a network, a platform and a gateway do in whatever order: never more than one transport beside
//! the one that is left, never a storm, and live again in the end with nothing missed.

use std::collections::BTreeMap;
use std::time::Duration;

use outpour_core::ErrorCode;
use outpour_core::peer::PeerConfig;
use outpour_core::session::{Endpoint, Event, Input, PublicationChange, SessionConfig, Signal, UpdateKind};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::{World, long, text};

#[derive(Clone, Debug)]
enum Step {
    Hint(Signal),
    Pass(u32),
    Jump(u32),
    SetBack(u32),
    Cut,
    Reachable(bool),
    Down(usize),
    Silent(bool),
    Blocked(bool),
    Holds(bool),
    Release(bool),
    Move(u32, &'static str),
    SendAway(u32, &'static str),
    Expire,
    Provide(Option<Result<u8, ()>>),
    Set(u64),
    Append,
    Publish,
}

const REDIRECTS: [&str; 4] = ["", "ws://a:1", "ws://b:2", "ws://elsewhere"];

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let signals = [Signal::NetworkUp, Signal::NetworkDown, Signal::Resumed, Signal::Suspending];
    let redirect = || prop::sample::select(&REDIRECTS[..]);
    prop_oneof![
        8 => prop::sample::select(signals.to_vec()).prop_map(Hint),
        8 => (0..20_000_u32).prop_map(Pass),
        1 => any::<u32>().prop_map(Jump),
        1 => any::<u32>().prop_map(SetBack),
        3 => Just(Cut),
        4 => any::<bool>().prop_map(Reachable),
        2 => (0..4_usize).prop_map(Down),
        2 => any::<bool>().prop_map(Silent),
        2 => any::<bool>().prop_map(Blocked),
        3 => any::<bool>().prop_map(Holds),
        4 => any::<bool>().prop_map(Release),
        4 => (0..60_000_u32, redirect()).prop_map(|(within, redirect)| Move(within, redirect)),
        2 => (0..60_000_u32, redirect()).prop_map(|(asked, redirect)| SendAway(asked, redirect)),
        1 => Just(Expire),
        2 => prop::option::of(prop_oneof![3 => any::<u8>().prop_map(Ok), 1 => Just(Err(()))]).prop_map(Provide),
        4 => any::<u64>().prop_map(Set),
        4 => Just(Append),
        4 => Just(Publish),
    ]
}

/// Does one step. What takes time is counted in `busy`, for the bound on attempts.
fn take(world: &mut World, step: &Step, busy: &mut Duration) {
    match *step {
        Step::Hint(signal) => world.signal(signal),
        Step::Pass(millis) => {
            *busy += Duration::from_millis(millis.into());
            world.advance(Duration::from_millis(millis.into()));
        }
        Step::Jump(millis) => {
            world.now = world.now + Duration::from_millis(millis.into());
            world.session.handle_input(Input::Tick, world.now);
        }
        Step::SetBack(millis) => {
            let back = Duration::from_millis(millis.into()).as_micros() as u64;
            world.now = outpour_core::Timestamp::from_micros(world.now.as_micros().saturating_sub(back));
            world.session.handle_input(Input::Tick, world.now);
        }
        Step::Cut => world.cut(),
        Step::Reachable(reachable) => world.reachable = reachable,
        Step::Down(index) => {
            world.down = if index < 3 { vec![Endpoint::Listed(index)] } else { Vec::new() };
        }
        Step::Silent(silent) => silence(world, silent),
        Step::Blocked(blocked) => world.blocked = blocked,
        Step::Holds(holds) => world.holds = holds,
        Step::Release(is_open) if world.held.is_some() => world.release(is_open),
        Step::Release(_) => {}
        Step::Move(within, redirect) => world.gateway.move_away(Duration::from_millis(within.into()), redirect),
        Step::SendAway(asked, redirect) => {
            world.gateway.send_away(ErrorCode::ShuttingDown, Duration::from_millis(asked.into()), redirect);
        }
        // Without a provider that would be the end.
        Step::Expire if world.asked.is_empty() => {}
        Step::Expire => world.gateway.close(ErrorCode::CredentialsExpired, Duration::ZERO),
        Step::Provide(provided) => {
            world.provided = provided.map(|provided| provided.map(|byte| vec![byte]).map_err(|()| "no".into()));
        }
        Step::Set(number) => {
            world.gateway.set("v", &long(number));
        }
        Step::Append => {
            world.gateway.append("e", &text("event"));
        }
        Step::Publish => {
            world.publish("p", PublicationChange::Set(text("1")));
        }
    }
    world.settle();
}

/// A connection that lost messages never comes back to life.
fn silence(world: &mut World, silent: bool) {
    if world.silent && !silent {
        world.cut();
    }
    world.silent = silent;
}

proptest! {
    #[test]
    fn a_session_is_live_in_the_end_and_missed_nothing(steps in vec(step(), 1..80), asks: bool, seed: u64) {
        let config = SessionConfig {
            endpoints: ["ws://a", "ws://b", "ws://c"].map(String::from).to_vec(),
            ask_credentials: asks,
            ..SessionConfig::default()
        };
        let mut world = World::with(config, PeerConfig::default(), seed);
        world.gateway.kept_events = 1000;
        world.provided = Some(Ok(vec![1]));
        world.connect();
        let id = world.subscribe("**");
        let mut busy = Duration::ZERO;
        for step in &steps {
            take(&mut world, step, &mut busy);
            // Each opening is due to a step, or to a round of the back-off.
            let bound = 2 + 3 * steps.len() + 12 * busy.as_secs() as usize;
            prop_assert!(world.endpoints.len() <= bound, "{} attempts", world.endpoints.len());
        }

        silence(&mut world, false);
        (world.reachable, world.blocked, world.holds) = (true, false, false);
        world.down.clear();
        world.provided = Some(Ok(vec![2]));
        if world.held.is_some() {
            world.release(true);
        }
        world.signal(Signal::Resumed);
        world.advance(Duration::from_secs(200));
        prop_assert!(world.session.is_live(), "{:?}", world.events);
        world.assert_replicas(&["v", "p"]);
        let events: Vec<u64> = world.updates(id).iter().filter_map(|update| match update.kind {
            UpdateKind::Event { sequence, .. } => Some(sequence),
            _ => None,
        }).collect();
        let appended = steps.iter().filter(|step| matches!(step, Step::Append)).count() as u64;
        prop_assert_eq!(events, (1..=appended).collect::<Vec<_>>());

        let mut verdicts = BTreeMap::new();
        for event in &world.events {
            if let Event::PublishSettled { ticket, verdict } = event {
                prop_assert!(verdict.is_ok() && verdicts.insert(*ticket, ()).is_none());
            }
        }
        prop_assert_eq!(verdicts.len(), steps.iter().filter(|step| matches!(step, Step::Publish)).count());
        // Each move is either done, or ends with a lost connection, or comes to nothing.
        let count = |wanted: fn(&Event) -> bool| world.events.iter().filter(|event| wanted(event)).count();
        let moves = (
            count(|event| matches!(event, Event::Moved { .. })),
            count(|event| matches!(event, Event::Moving { .. })),
        );
        prop_assert!(moves.0 <= moves.1, "{:?}", moves);
    }
}
