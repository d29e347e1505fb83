//! Every order, or many.

use crate::run::caught;
use crate::stage::Move;
use crate::{Ending, Failure, Rng, Stage};

/// Plays a stage in every order of its steps, with every death, power cut and restart that it allows.
///
/// `setup` makes the same stage anew for each play (from a [`port::Snapshot`], where making it takes long), `check` judges
/// each ending by an error or a panic. Returns how many orders there are. Orders are found depth first, by playing again
/// from the start; the first order lets tasks run one after the other.
///
/// # Errors
/// The first order that breaks something, with its trace; more than `limit` orders; a stage that is not the same each
/// time.
pub fn every<'w, V: Send + 'w>(
    limit: usize,
    mut setup: impl FnMut() -> Stage<'w, V>,
    mut check: impl FnMut(&Ending<V>) -> Result<(), String>,
) -> Result<usize, Failure> {
    let mut path: Vec<Fork> = Vec::new();
    for orders in 1..=limit {
        let mut depth = 0;
        let played = play(setup(), &mut check, &mut |moves| {
            if depth == path.len() {
                path.push(Fork { chosen: 0, ways: moves.len() });
            }
            let fork = path[depth];
            depth += 1;
            if fork.ways == moves.len() { Ok(fork.chosen) } else { Err(UNSTEADY.into()) }
        });
        if let Err(failure) = played {
            let choices = path.iter().map(|fork| fork.chosen).collect();
            return Err(Failure { choices, ..failure });
        }
        while path.last().is_some_and(|fork| fork.chosen + 1 == fork.ways) {
            path.pop();
        }
        match path.last_mut() {
            Some(fork) => fork.chosen += 1,
            None => return Ok(orders),
        }
    }
    Err(Failure::new(format!(
        "more than {limit} orders: make the stage smaller, or play at random"
    )))
}

/// Plays a stage once, in an order drawn from `rng`.
///
/// # Errors
/// What the order broke, with its trace.
pub fn random<'w, V: Send + 'w>(
    rng: &mut Rng,
    stage: Stage<'w, V>,
    mut check: impl FnMut(&Ending<V>) -> Result<(), String>,
) -> Result<Ending<V>, Failure> {
    let mut choices = Vec::new();
    let played = play(stage, &mut check, &mut |moves| {
        let want_rare = rng.chance(1, 12);
        let fitting: Vec<usize> =
            (0..moves.len()).filter(|at| moves[*at].is_rare() == want_rare).collect();
        let chosen = rng.pick(&fitting).copied().unwrap_or_else(|| rng.index(moves.len()));
        choices.push(chosen);
        Ok(chosen)
    });
    played.map_err(|failure| Failure { choices, ..failure })
}

/// Plays a stage in the order of a [`Failure`]'s `choices`.
///
/// # Errors
/// What the order broke, with its trace.
pub fn replay<'w, V: Send + 'w>(
    choices: &[usize],
    stage: Stage<'w, V>,
    mut check: impl FnMut(&Ending<V>) -> Result<(), String>,
) -> Result<Ending<V>, Failure> {
    let mut left = choices.iter();
    let played = play(stage, &mut check, &mut |moves| {
        let chosen = left.next().copied().unwrap_or(0);
        if chosen < moves.len() { Ok(chosen) } else { Err(UNSTEADY.into()) }
    });
    played.map_err(|failure| Failure { choices: choices.into(), ..failure })
}

fn play<'w, V: Send + 'w>(
    stage: Stage<'w, V>,
    check: &mut dyn FnMut(&Ending<V>) -> Result<(), String>,
    choose: &mut dyn FnMut(&[Move]) -> Result<usize, String>,
) -> Result<Ending<V>, Failure> {
    let ending = stage.play(choose)?;
    match caught(|| check(&ending)).and_then(|found| found) {
        Ok(()) => Ok(ending),
        Err(why) => Err(Failure { trace: ending.trace(), ..Failure::new(why) }),
    }
}

/// A place where there was more than one way to go on.
#[derive(Clone, Copy)]
struct Fork {
    chosen: usize,
    ways: usize,
}

const UNSTEADY: &str =
    "the stage is not the same each time: something in it is drawn or remembered";
