//! Every interleaving, depth first; a state that was seen before is not played again.

use crate::host::Broken;
use crate::invariant;
use crate::world::*;
use interbank_standin::*;
use port::MemoryStore;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};

/// What is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) requests: &'static [Ask],
    /// The accounting system declines the first request itself.
    pub(crate) host_declines: bool,
    /// It is away from the start.
    pub(crate) away: bool,
    /// The first request comes again, at any moment.
    pub(crate) again: bool,
    /// How often time passes until something is due.
    pub(crate) passes: u8,
    pub(crate) crashes: u8,
    pub(crate) broken: Option<Broken>,
}

/// How much was played.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    pub(crate) states: u64,
    pub(crate) steps: u64,
    pub(crate) crashes: u64,
    pub(crate) ends: u64,
    pub(crate) lates: u64,
    pub(crate) repeats: u64,
    pub(crate) dead_letters: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Arrive(usize),
    Deliver(usize),
    Pass,
    Return,
}

struct Place {
    world: World<MemoryStore>,
    arrived: Vec<bool>,
    again: bool,
    returned: bool,
    passes: u8,
    crashes: u8,
}

pub(crate) fn play(setting: &Setting) -> Result<Extent, String> {
    let thresholds = Thresholds {
        // One time-out diverts; probes and looks through the journal stay out of the way.
        suspect_misses: 100,
        divert_misses: 100,
        probe_ms: 3_600_000,
        step_answers: 1,
        good_probes: 1,
        ..Thresholds::default()
    };
    let play = Play::new(setting.requests, thresholds, 3_600_000);
    let store = MemoryStore::new();
    play.furnish(&store);
    let mut world = World::new(play, store);
    world.host.broken = setting.broken;
    if setting.host_declines {
        world.host.declines.insert(world.play.key(0));
    }
    world.tick();
    world.now = START.plus_ms(100);
    if setting.away {
        world.switch.link(world.now, institution(), false).unwrap();
        world.settle();
    }
    world.wire.clear();
    let first = Place {
        world,
        arrived: vec![false; setting.requests.len()],
        again: !setting.again,
        returned: false,
        passes: setting.passes,
        crashes: setting.crashes,
    };
    let mut extent = Extent::default();
    let mut seen = BTreeSet::new();
    let mut trace = Vec::new();
    explore(first, &mut seen, &mut extent, &mut trace)?;
    Ok(extent)
}

fn explore(
    place: Place,
    seen: &mut BTreeSet<u64>,
    extent: &mut Extent,
    trace: &mut Vec<(Action, Option<u32>)>,
) -> Result<(), String> {
    let limits = (&place.arrived, place.again, place.returned, place.passes, place.crashes);
    if !seen.insert(digest(&place.world, &limits)) {
        return Ok(());
    }
    extent.states += 1;
    invariant::always(&place.world).map_err(|why| told(&why, trace))?;
    // From everywhere it must come to rest.
    let over = place.arrived.iter().all(|one| *one) && place.again;
    if over {
        // Where messages are under way, the states in which they arrive are played; here all of them are lost.
        let mut world = place.world.fork();
        world.wire.clear();
        if seen.insert(digest(&world, &"at rest")) {
            world
                .calm()
                .and_then(|()| invariant::at_rest(&world))
                .map_err(|why| told(&format!("at rest: {why}"), trace))?;
            extent.ends += 1;
            extent.lates += u64::from(world.lates > 0);
            extent.repeats += u64::from(world.repeats > 0);
            extent.dead_letters += u64::from(world.dead_letters > 0);
        }
    }
    for action in actions(&place) {
        trace.push((action, None));
        let whole = perform(&place, action, None);
        let operations = whole.world.operations - place.world.operations;
        extent.steps += 1;
        explore(whole, seen, extent, trace)?;
        trace.pop();
        if place.crashes == 0 {
            continue;
        }
        for fuse in 0..operations {
            trace.push((action, Some(fuse)));
            let cut = perform(&place, action, Some(fuse));
            extent.steps += 1;
            extent.crashes += 1;
            explore(cut, seen, extent, trace)?;
            trace.pop();
        }
    }
    Ok(())
}

fn actions(place: &Place) -> Vec<Action> {
    let mut actions = Vec::new();
    for at in 0..place.arrived.len() {
        if !place.arrived[at] {
            actions.push(Action::Arrive(at));
        }
    }
    if place.arrived[0] && !place.again {
        actions.push(Action::Arrive(0));
    }
    let wire = &place.world.wire;
    let deliveries = (0..wire.len()).filter(|at| !wire[..*at].contains(&wire[*at]));
    actions.extend(deliveries.map(Action::Deliver));
    if place.passes > 0 {
        actions.push(Action::Pass);
    }
    if !place.returned {
        actions.push(Action::Return);
    }
    actions
}

fn perform(place: &Place, action: Action, fuse: Option<u32>) -> Place {
    let mut next = Place {
        world: place.world.fork(),
        arrived: place.arrived.clone(),
        again: place.again,
        returned: place.returned,
        passes: place.passes,
        crashes: place.crashes - u8::from(fuse.is_some()),
    };
    let world = &mut next.world;
    world.fuse = fuse;
    match action {
        Action::Arrive(at) => {
            next.again |= next.arrived[at];
            next.arrived[at] = true;
            world.arrive(at);
        }
        Action::Deliver(at) => world.deliver(at),
        Action::Pass => {
            next.passes -= 1;
            world.pass();
        }
        Action::Return => {
            next.returned = true;
            let forced = Some(Forced::Online);
            world.switch.force(world.now, institution(), forced, "model", "").unwrap();
            world.settle();
        }
    }
    // Probes have nothing to do with books; without them the wire is what the model is about.
    world.wire.retain(|message| !message.is_probe());
    world.fuse = None;
    next
}

/// The state, without what only counts how it came about.
fn digest(world: &World<MemoryStore>, limits: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    limits.hash(&mut hasher);
    world.now.hash(&mut hasher);
    let mut wire: Vec<[u64; 5]> = world.wire.iter().map(Message::mark).collect();
    wire.sort_unstable();
    wire.hash(&mut hasher);
    world.host.mark(&mut hasher);
    // Of order, what counts is that within an account.
    let mut said: Vec<(usize, &Said)> =
        world.said.iter().map(|(said, _)| said).enumerate().collect();
    said.sort_by_key(|(at, one)| (world.account_of(one), *at));
    said.iter().for_each(|(_, one)| one.hash(&mut hasher));
    let text = format!("{:?} {:?}", world.switch, world.forwarder);
    // Tickets are names.
    for part in text.split("Ticket(") {
        part.trim_start_matches(|digit: char| digit.is_ascii_digit()).hash(&mut hasher);
    }
    for (key, row) in world.store.snapshot().rows {
        key.as_bytes().hash(&mut hasher);
        row.value.hash(&mut hasher);
    }
    hasher.finish()
}

fn told(why: &str, trace: &[(Action, Option<u32>)]) -> String {
    let lines: Vec<String> = trace
        .iter()
        .map(|(action, fuse)| match fuse {
            None => format!("{action:?}"),
            Some(fuse) => format!("{action:?}, dies before operation {fuse}"),
        })
        .collect();
    format!("{why}\n  {}", lines.join("\n  "))
}

/// Two purchases of one account and one of another.
pub(crate) const PURCHASES: &[Ask] = &[(1, 1, 100, None), (1, 2, 40, None), (2, 3, 50, None)];
/// A purchase, its reversal, and a purchase of another account.
pub(crate) const REVERSAL: &[Ask] = &[(1, 1, 100, None), (1, 2, 100, Some(1)), (2, 3, 50, None)];

/// A purchase, one that has happened already and is more than may be out, and a purchase of another account.
pub(crate) const ADVICE: &[Ask] =
    &[(1, 1, 100, None), (1, Play::TOLD, 200, None), (2, 3, 50, None)];

/// With a decline of the accounting system's own or without, and with it away at first or not.
pub(crate) const WAYS: [(bool, bool); 4] =
    [(false, false), (true, false), (false, true), (true, true)];

pub(crate) fn all(
    requests: &'static [Ask],
    ways: &[(bool, bool)],
    again: bool,
    passes: u8,
    crashes: u8,
) -> Extent {
    let mut all = Extent::default();
    for (host_declines, away) in ways.iter().copied() {
        let broken = None;
        let setting = Setting { requests, host_declines, away, again, passes, crashes, broken };
        let one = play(&setting).unwrap_or_else(|why| panic!("{setting:?}: {why}"));
        all.states += one.states;
        all.steps += one.steps;
        all.crashes += one.crashes;
        all.ends += one.ends;
        all.lates += one.lates;
        all.repeats += one.repeats;
        all.dead_letters += one.dead_letters;
    }
    all
}
