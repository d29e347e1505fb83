//! Whoever asked was answered (spec S9).

use crate::world::{Peek, World};

pub(crate) fn holds<S: Peek>(world: &World<S>) -> Result<(), String> {
    for at in 0..world.play.requests.len() {
        let key = world.play.key(at);
        if world.was_asked(&key) && world.told(&key).next().is_none() {
            return Err(format!("request {at} was never answered"));
        }
    }
    Ok(())
}
