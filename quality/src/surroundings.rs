//! The surroundings engine on a generated city: who is told from whom, by both scores.

use crate::figures::{Attack, Comparison, Count, Scenario, Surroundings};
use anyhow::{Context as _, Result};
use port::Zone;
use risk_core::calibration::Trial;
use risk_core::surroundings::{
    Address, Answer, Assessment, Facts, Finding, History, Known, Nonce, Observation, Plan, Policy,
    PolicyDraft, Population, PopulationKey, Profile, Protocol, Relation, Report, Scan, Scanned,
    TerminalId, TerminalKeys, TokenKey,
};
use seal::Secret;
use simkit::Rng;
use simkit::world::{
    self, Activity, City, CityParameters, DeviceKind, Event, Person, PlaceKind, Truth,
};
use std::collections::{BTreeMap, BTreeSet};

/// Everything that the cities of these seeds say, as cases not yet counted.
#[derive(Default)]
pub struct Cases {
    scenarios: BTreeMap<Kind, Tally>,
    attacks: BTreeMap<Forgery, Tried>,
}

#[derive(Default)]
struct Tally {
    trials: Vec<Trial>,
    abstained: Count,
    abstained_stolen: Count,
    owners_pass: Count,
    thieves_pass: Count,
}

#[derive(Default)]
struct Tried {
    detected: Count,
    passed: Count,
}

/// Where a payment is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    House,
    Flat,
    SharedFlat,
    ReplacedRouter,
    Office,
    CornerCafe,
    ChainCafe,
    ChainShop,
    Commute,
    Hotspot,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::House,
        Self::Flat,
        Self::SharedFlat,
        Self::ReplacedRouter,
        Self::Office,
        Self::CornerCafe,
        Self::ChainCafe,
        Self::ChainShop,
        Self::Commute,
        Self::Hotspot,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::House => "house",
            Self::Flat => "flat",
            Self::SharedFlat => "shared flat",
            Self::ReplacedRouter => "home, router just replaced",
            Self::Office => "office",
            Self::CornerCafe => "corner café",
            Self::ChainCafe => "café of a chain",
            Self::ChainShop => "shop of a chain",
            Self::Commute => "commute, operator's network",
            Self::Hotspot => "on the move with a hotspot",
        }
    }

    const fn is_chain(self) -> bool {
        matches!(self, Self::ChainCafe | Self::ChainShop | Self::Commute)
    }

    /// A journey is usual, but no place.
    const fn is_usual_place(self) -> bool {
        !matches!(self, Self::Commute | Self::Hotspot)
    }
}

/// What is tried, with what counts as detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Forgery {
    Copied,
    Stale,
    HalfCopied,
    Relay,
    Stolen,
    StolenWithBag,
    Neighbour,
    /// No attack: honest scans at usual places that look forged.
    Honest,
    /// No attack: the owner somewhere new, who should be asked.
    NewPlace,
}

impl Forgery {
    const ALL: [Self; 9] = [
        Self::Copied,
        Self::Stale,
        Self::HalfCopied,
        Self::Relay,
        Self::Stolen,
        Self::StolenWithBag,
        Self::Neighbour,
        Self::Honest,
        Self::NewPlace,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Copied => "copied scan, right nonce",
            Self::Stale => "stale scan",
            Self::HalfCopied => "half-copied scan",
            Self::Relay => "relay of what an accomplice sees",
            Self::Stolen => "phone stolen",
            Self::StolenWithBag => "phone stolen with watch, earphones and hotspot",
            Self::Neighbour => "phone stolen by a neighbour",
            Self::Honest => "no attack: owner at a usual place",
            Self::NewPlace => "no attack: owner at a new place",
        }
    }

    const fn target(self) -> Option<u16> {
        match self {
            Self::Copied | Self::Stale => Some(9_900),
            Self::HalfCopied => Some(9_000),
            _ => None,
        }
    }

    /// Forged scans are to be recognised as such; for the rest it is enough that the PIN is asked.
    const fn is_forged(self) -> bool {
        matches!(self, Self::Copied | Self::Stale | Self::HalfCopied | Self::Honest)
    }
}

impl Cases {
    /// Lives through the city of one seed. `number` keeps the people of different seeds apart.
    pub fn draw(parameters: &CityParameters, seed: u64, number: u32) -> Result<Self> {
        let city = City::draw(parameters, seed);
        let bank = Bank::new(&city)?;
        let mut cases = Self::default();
        for person in city.people() {
            let cluster = number * 1_000_000 + person.id;
            Terminal::new(&bank, person)?.live(cluster, &mut cases)?;
        }
        Ok(cases)
    }

    /// Adds the cases of another seed.
    pub fn merge(&mut self, other: Self) {
        for (kind, tally) in other.scenarios {
            let mine = self.scenarios.entry(kind).or_default();
            mine.trials.extend(tally.trials);
            mine.abstained.merge(tally.abstained);
            mine.abstained_stolen.merge(tally.abstained_stolen);
            mine.owners_pass.merge(tally.owners_pass);
            mine.thieves_pass.merge(tally.thieves_pass);
        }
        for (forgery, tried) in other.attacks {
            let mine = self.attacks.entry(forgery).or_default();
            mine.detected.merge(tried.detected);
            mine.passed.merge(tried.passed);
        }
    }

    /// The figures.
    pub fn finish(&self, parameters: &CityParameters, resamples: usize) -> Surroundings {
        let scenario = |kind: Kind| {
            let tally = self.scenarios.get(&kind)?;
            Some(Scenario {
                name: kind.name().to_owned(),
                chain: kind.is_chain(),
                usual_place: kind.is_usual_place(),
                comparison: Comparison::of(&tally.trials, resamples)?,
                abstained: tally.abstained.share(),
                abstained_stolen: tally.abstained_stolen.share(),
                owners_pass: tally.owners_pass.share(),
                thieves_pass: tally.thieves_pass.share(),
            })
        };
        let attack = |forgery: Forgery| {
            let tried = self.attacks.get(&forgery)?;
            let detected_if = if forgery.is_forged() { "reported as forged" } else { "PIN asked" };
            Some(Attack {
                name: forgery.name().to_owned(),
                detected_if: detected_if.to_owned(),
                detected: tried.detected.share(),
                passed: tried.passed.share(),
                target: forgery.target(),
            })
        };
        Surroundings {
            people: parameters.people,
            learning_weeks: parameters.learning_weeks,
            judged_weeks: parameters.judged_weeks,
            scenarios: Kind::ALL.into_iter().filter_map(scenario).collect(),
            attacks: Forgery::ALL.into_iter().filter_map(attack).collect(),
        }
    }

    fn attack(&mut self, forgery: Forgery, assessment: &Assessment) {
        let passed = matches!(assessment.plan, Plan::Allow { .. });
        let is_forged = assessment.findings.is_suspicious() || is_not_current(assessment);
        let tried = self.attacks.entry(forgery).or_default();
        tried.detected.add(if forgery.is_forged() { is_forged } else { !passed });
        tried.passed.add(passed);
    }

    fn pair(&mut self, kind: Kind, cluster: u32, owner: &Assessment, thief: &Assessment) {
        let tally = self.scenarios.entry(kind).or_default();
        for (assessment, positive) in [(owner, true), (thief, false)] {
            let scores = [assessment.baseline, assessment.evidence]
                .map(|score| score.familiarity().map(|f| i64::from(f.basis_points().as_u16())));
            let passed = matches!(assessment.plan, Plan::Allow { .. });
            let (abstained, pass) = if positive {
                (&mut tally.abstained, &mut tally.owners_pass)
            } else {
                (&mut tally.abstained_stolen, &mut tally.thieves_pass)
            };
            abstained.add(scores == [None, None]);
            pass.add(passed);
            if let [Some(first), Some(second)] = scores {
                tally.trials.push(Trial { first, second, positive, cluster });
            }
        }
    }
}

/// The back end: policy, keys, and what all terminals saw in the learning weeks.
struct Bank<'a> {
    city: &'a City,
    policy: Policy,
    zone: Zone,
    secret: Secret<32>,
    population_key: PopulationKey,
    population: Population,
}

impl<'a> Bank<'a> {
    fn new(city: &'a City) -> Result<Self> {
        let secret = Secret::new([7; 32]);
        let draft = PolicyDraft { score: "evidence".to_owned(), ..PolicyDraft::default() };
        let mut bank = Self {
            city,
            policy: Policy::new(draft).map_err(|fault| anyhow::anyhow!("{fault:?}"))?,
            zone: Zone::utc(),
            population_key: PopulationKey::derive(&secret),
            secret,
            population: Population::new(18).map_err(|_| anyhow::anyhow!("width"))?,
        };
        let mut population = bank.population.clone();
        for person in city.people() {
            let terminal = Terminal::new(&bank, person)?;
            for event in city.events(person) {
                if event.scan.at < city.judged_from() {
                    population.update(&terminal.id, &terminal.take(&event.scan));
                }
            }
        }
        bank.population = population;
        Ok(bank)
    }
}

/// One phone, as the back end knows it.
struct Terminal<'a> {
    bank: &'a Bank<'a>,
    person: &'a Person,
    id: TerminalId,
    keys: TerminalKeys,
    periods: BTreeMap<u16, History>,
    assessed: BTreeSet<u64>,
}

impl<'a> Terminal<'a> {
    fn new(bank: &'a Bank<'a>, person: &'a Person) -> Result<Self> {
        let id = TerminalId::new(format!("terminal-{}", person.id)).ok().context("a name")?;
        let keys = TerminalKeys::new(TokenKey::derive(&bank.secret, 1, &id));
        Ok(Self { bank, person, id, keys, periods: BTreeMap::new(), assessed: BTreeSet::new() })
    }

    /// Learns for some weeks; then every payment is judged, and beside it what thieves would try at the same time.
    fn live(&mut self, cluster: u32, cases: &mut Cases) -> Result<()> {
        let city = self.bank.city;
        let mut earlier: Vec<Event> = Vec::new();
        for event in city.events(self.person) {
            let is_payment = event.payment_minor.is_some();
            if is_payment && event.scan.at >= city.judged_from() {
                self.judge(&event, &earlier, cluster, cases);
            }
            let scan = self.take(&event.scan);
            if is_payment {
                self.assessed.insert(scan.fingerprint());
                earlier.push(event.clone());
            }
            // its owner confirms everything with the PIN on the same day
            self.learn(&scan);
        }
        Ok(())
    }

    fn judge(&self, paid: &Event, earlier: &[Event], cluster: u32, cases: &mut Cases) {
        let city = self.bank.city;
        let owner = self.assess(paid, &paid.scan, Answer::Right);
        if paid.truth == Truth::NewPlace {
            cases.attack(Forgery::NewPlace, &owner);
            return;
        }
        cases.attack(Forgery::Honest, &owner);
        let stolen = city.stolen(self.person, paid, false);
        let thief = self.assess(&stolen, &stolen.scan, Answer::Right);
        for kind in self.kinds(paid) {
            cases.pair(kind, cluster, &owner, &thief);
        }
        cases.attack(Forgery::Stolen, &thief);
        let with_bag = city.stolen(self.person, paid, true);
        let with_bag = self.assess(&with_bag, &with_bag.scan, Answer::Right);
        cases.attack(Forgery::StolenWithBag, &with_bag);
        if let Some(next_door) = city.stolen_by_neighbour(self.person, paid) {
            let next_door = self.assess(&next_door, &next_door.scan, Answer::Right);
            cases.attack(Forgery::Neighbour, &next_door);
        }
        let relay =
            world::relayed(&city.scan_nearby(self.person, paid), stolen.scan.at, stolen.scan.nonce);
        cases.attack(Forgery::Relay, &self.assess(&stolen, &relay, Answer::Right));
        // whoever forges a scan takes one from the same place, with Wi-Fi
        let of_place = |e: &&Event| e.stay.place == paid.stay.place && e.scan.wifi;
        let Some(source) = earlier.iter().rfind(of_place) else { return };
        let copied = world::copied(&source.scan, stolen.scan.at, stolen.scan.nonce);
        cases.attack(Forgery::Copied, &self.assess(&stolen, &copied, Answer::Right));
        cases.attack(Forgery::Stale, &self.assess(&stolen, &source.scan, Answer::Wrong));
        let mut rng = Rng::new(stolen.scan.at.as_ms() ^ u64::from(cluster));
        let half = world::half_copied(&source.scan, &stolen.scan, &mut rng);
        cases.attack(Forgery::HalfCopied, &self.assess(&stolen, &half, Answer::Right));
    }

    /// Judges a scan that reaches the bank at the time of a payment.
    fn assess(&self, paid: &Event, scan: &world::Scan, answer: Answer) -> Assessment {
        let policy = &self.bank.policy;
        let scan = self.take(scan);
        let learning = policy.learning();
        let profile = |period: u16| -> Option<Profile> {
            self.periods.get(&period).map(|history| history.current(&learning))
        };
        let (own, adjacent) = (profile(scan.when().period), profile(scan.when().adjacent));
        let known = Known { own: own.as_ref(), adjacent: adjacent.as_ref() };
        let amount_minor = i64::try_from(paid.payment_minor.unwrap_or(0)).unwrap_or(0);
        let facts = Facts {
            answer,
            repeated: self.assessed.contains(&scan.fingerprint()),
            strange_pairs: policy.strange_pairs(&scan, known, &self.bank.population),
            ..Facts::of(amount_minor)
        };
        policy.assess(paid.scan.at, &scan, known, facts)
    }

    fn learn(&mut self, scan: &Scan) {
        let policy = &self.bank.policy;
        let when = scan.when();
        let history =
            self.periods.entry(when.period).or_insert_with(|| History::new(when.grid, when.period));
        history.update(scan.taken(), scan, policy.revocable_ms(), &policy.learning());
    }

    fn take(&self, scan: &world::Scan) -> Scan {
        let when = self.bank.policy.grid().moment(&self.bank.zone, scan.at);
        let population = Some((&self.bank.population, &self.bank.population_key));
        Scan::take(&report(scan), &self.keys, when, population)
    }

    fn kinds(&self, paid: &Event) -> Vec<Kind> {
        let city = self.bank.city;
        let place = city.place(paid.stay.place);
        let is_shared = city.residents(paid.stay.place) > 1;
        let kind = match (paid.stay.activity, place.kind) {
            (Activity::Home, _) if place.replaces_router() => Kind::ReplacedRouter,
            (Activity::Home, PlaceKind::House) => Kind::House,
            (Activity::Home, _) if is_shared => Kind::SharedFlat,
            (Activity::Home, _) => Kind::Flat,
            (Activity::Work, _) => Kind::Office,
            (Activity::Coffee, PlaceKind::ChainCafe) => Kind::ChainCafe,
            (Activity::Coffee, _) => Kind::CornerCafe,
            (Activity::Shopping, _) => Kind::ChainShop,
            (Activity::Commute, _) => Kind::Commute,
            (Activity::Elsewhere, _) => return Vec::new(),
        };
        let on_the_move = self.person.carries_hotspot() && paid.stay.activity != Activity::Home;
        if on_the_move { vec![kind, Kind::Hotspot] } else { vec![kind] }
    }
}

/// A generated scan as the engine's report.
fn report(scan: &world::Scan) -> Report {
    let mut scanned = Scanned::NONE.with(Protocol::Cell);
    if scan.wifi {
        scanned = scanned.with(Protocol::Wifi).with(Protocol::Lan);
    }
    if scan.bluetooth {
        for protocol in [Protocol::Bluetooth, Protocol::BlePublic, Protocol::BleRandom] {
            scanned = scanned.with(protocol);
        }
    }
    let neighbour = |sighting: &world::Sighting| {
        let octets = |protocol| Address::octets(protocol, sighting.octets);
        let [_, _, a, b, c, d] = sighting.octets;
        let address = match sighting.kind {
            DeviceKind::Wifi => octets(Protocol::Wifi),
            DeviceKind::Lan => octets(Protocol::Lan),
            DeviceKind::Bluetooth => octets(Protocol::Bluetooth),
            DeviceKind::BlePublic => octets(Protocol::BlePublic),
            DeviceKind::BleRandom => octets(Protocol::BleRandom),
            DeviceKind::Cell => Address::cell(262, 1, u64::from(u32::from_be_bytes([a, b, c, d]))),
        };
        let relation = match sighting.relation {
            world::Relation::InRange => Relation::InRange,
            world::Relation::SameNetwork => Relation::SameNetwork,
            world::Relation::Connected => Relation::Connected,
        };
        Observation { address, relation, dwell_s: sighting.dwell_s, opted_out: sighting.opted_out }
    };
    Report {
        taken: scan.at,
        zone: "Etc/UTC".to_owned(),
        nonce: Some(Nonce(scan.nonce)),
        scanned,
        neighbours: scan.sightings.iter().map(neighbour).collect(),
    }
}

/// Whether an assessment says that the scan is none of now.
fn is_not_current(assessment: &Assessment) -> bool {
    assessment.findings.has(Finding::Stale) || assessment.findings.has(Finding::NotAnswered)
}
