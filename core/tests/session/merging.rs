//! Who is behind is told what changed as one, and holds what everybody else holds.

use std::cell::RefCell;
use std::rc::Rc;

use outpour_core::Value;
use outpour_core::wire::{Frames, GatewayFrame};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::world::World;

const FIELDS: usize = 8;

/// A record of numbers and texts, as long as these are.
#[derive(Clone)]
struct Record([u32; FIELDS]);

impl Record {
    fn value(&self) -> Value {
        let fields = self.0.iter().enumerate().map(|(field, number)| {
            let more = "+".repeat(*number as usize % 40);
            format!("field{field}: {number}{more}\n")
        });
        Value::text(fields.collect::<String>())
    }
}

/// The lengths of the deltas and snapshots that are told from now on.
fn listen(world: &mut World) -> Rc<RefCell<(Vec<usize>, Vec<usize>)>> {
    let heard = Rc::<RefCell<(Vec<usize>, Vec<usize>)>>::default();
    let noted = Rc::clone(&heard);
    world.tamper = Some(Box::new(move |message| {
        for raw in Frames::new(message) {
            match GatewayFrame::decode(raw.unwrap()).unwrap() {
                Some(GatewayFrame::Delta { delta, .. }) => noted.borrow_mut().0.push(delta.len()),
                Some(GatewayFrame::Snapshot { value, .. }) => noted.borrow_mut().1.push(value.len()),
                _ => {}
            }
        }
    }));
    heard
}

#[test]
fn a_client_that_was_held_up_is_told_one_small_delta() {
    let mut world = World::connected();
    world.subscribe("**");
    let mut record = Record([1000; FIELDS]);
    world.gateway.set("a", &record.value());
    world.settle();
    let heard = listen(&mut world);
    world.stalled = true;
    for number in 1..=8 {
        record.0[3] = 1000 + number * 40;
        world.gateway.set("a", &record.value());
    }
    world.stalled = false;
    world.settle();
    world.assert_replicas(&["**"]);
    let (deltas, snapshots) = &*heard.borrow();
    assert!(matches!(**deltas, [len] if len < 12) && snapshots.is_empty(), "{deltas:?} {snapshots:?}");
}

#[test]
fn a_client_that_keeps_up_is_told_every_change() {
    let mut world = World::connected();
    world.subscribe("**");
    let mut record = Record([1000; FIELDS]);
    world.gateway.set("a", &record.value());
    world.settle();
    let heard = listen(&mut world);
    for number in 1..=30 {
        record.0[3] = 1000 + number * 40;
        world.gateway.set("a", &record.value());
        world.settle();
    }
    assert_eq!(heard.borrow().0.len(), 30);
}

proptest! {
    /// However long a client is held up each time, and however small its messages are.
    #[test]
    fn replicas_are_right_whichever_way_is_taken(
        changes in vec((0..3_usize, 0..FIELDS, any::<u16>(), prop::bool::weighted(0.3)), 1..120),
        batch in prop_oneof![1..100_usize, Just(16 << 10)],
    ) {
        let mut world = World::connected();
        world.batch = batch;
        world.subscribe("**");
        let mut records = vec![Record([7; FIELDS]); 3];
        for (topic, field, number, go) in changes {
            records[topic].0[field] = number.into();
            world.stalled = true;
            world.gateway.set(&format!("v/{topic}"), &records[topic].value());
            world.settle();
            if go {
                world.stalled = false;
                world.settle();
                world.assert_replicas(&["**"]);
            }
        }
        world.stalled = false;
        world.settle();
        world.assert_replicas(&["**"]);
        prop_assert_eq!(world.session.statistics().repairs, 0);
    }
}
