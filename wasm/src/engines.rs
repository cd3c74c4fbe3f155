//! The engines that there are, by the numbers that JavaScript knows them by.

use std::cell::RefCell;
use std::rc::Rc;

use crate::driver::Driver;

struct Engines {
    drivers: Vec<Rc<Driver>>,
    last: u32,
}

thread_local! {
    static ENGINES: RefCell<Engines> = const { RefCell::new(Engines { drivers: Vec::new(), last: 0 }) };
}

/// Takes in the engine that is made with its number: one that no engine had before.
pub(crate) fn insert(make: impl FnOnce(u32) -> Driver) -> u32 {
    ENGINES.with_borrow_mut(|engines| {
        engines.last += 1;
        engines.drivers.push(Rc::new(make(engines.last)));
        engines.last
    })
}

/// An engine. Whoever calls it holds it: it may be given back meanwhile.
pub(crate) fn get(engine: u32) -> Option<Rc<Driver>> {
    ENGINES.with_borrow(|engines| engines.drivers.iter().find(|driver| driver.is(engine)).cloned())
}

/// Forgets an engine.
pub(crate) fn remove(engine: u32) {
    ENGINES.with_borrow_mut(|engines| engines.drivers.retain(|driver| !driver.is(engine)));
}
