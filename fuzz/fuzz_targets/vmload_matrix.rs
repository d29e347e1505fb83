//! Any numbers as what machines report, through every policy: a result or a typed error. Shares are whole, loads are loads,
//! and the order of the machines changes nothing. And any finite numbers as points.

#![no_main]

use interbank_vmload::*;
use libfuzzer_sys::fuzz_target;
use port::Time;

fuzz_target!(|bytes: &[u8]| {
    let mut draw = Draw(bytes);
    if draw.below(4) == 0 { points(&mut draw) } else { fleet(&mut draw) }
});

fn fleet(draw: &mut Draw<'_>) {
    let dimension = 1 + draw.below(6);
    let metrics = (0..dimension).map(|n| Metric::new(&format!("m{n}"), draw.scale()));
    // a scale may be refused: its ends are any numbers
    let Ok(metrics) = metrics.collect::<Result<Vec<_>, _>>() else { return };
    let metrics = Metrics::new(metrics).unwrap();
    let policy = draw.policy();
    let config = draw.config(dimension);
    let mut machines = Vec::new();
    for n in 0..1 + draw.below(7) {
        let vm = VmId::new(&format!("vm-{n}")).unwrap();
        if let Ok(samples) = collect(draw, vm, &metrics, &policy) {
            machines.push(samples);
        }
    }
    let Ok(fleet) = Fleet::new(config) else { return };
    let found = fleet.assess(&metrics, &machines);
    let names: Vec<_> = machines.iter().map(|samples| samples.vm().clone()).collect();
    let lens: Vec<_> = machines.iter().map(|samples| samples.len() as u64).collect();

    machines.reverse();
    let again = fleet.assess(&metrics, &machines);
    assert_eq!(found, again);
    let Ok(report) = found else { return };
    assert_eq!(report.digest(), again.unwrap().digest());
    assert_eq!(report.machines.len(), names.len());
    for ((machine, name), len) in report.machines.iter().zip(&names).zip(lens) {
        assert_eq!(&machine.vm, name);
        assert_eq!(machine.counts.used, len);
        match &machine.outcome {
            Ok(found) => {
                whole(&found.signature, len);
                // a weighted sum of centres, rounded
                assert!(found.lambda.iter().all(|load| (0.0..=1.0 + 1e-12).contains(load)));
                assert!(is_load(found.load), "{}", found.load);
                assert!(found.burstiness >= -1e-9, "{}", found.burstiness);
                assert!(is_load(found.assignment.confidence));
                assert!(found.assignment.kind < report.types.len());
            }
            Err(why) => assert_eq!((why, len), (&Error::NoSamples, 0)),
        }
    }
}

fn collect(
    draw: &mut Draw<'_>,
    vm: VmId,
    metrics: &Metrics,
    policy: &Policy,
) -> Result<Samples, Error> {
    let mut intake = Intake::new(vm, metrics, policy);
    let allotment: Vec<f64> = metrics.iter().map(|_| draw.number()).collect();
    if intake.allot(&allotment).is_err() {
        intake.allot(&vec![1.0; allotment.len()]).unwrap();
    }
    let mut taken = 0;
    for n in 0..draw.below(40) {
        // now and then back, or the same time again
        let at = Time::from_s((n as u64).saturating_sub(draw.below(3) as u64));
        let readings = metrics.iter().map(|_| (draw.below(16) > 0).then(|| draw.number()));
        let readings: Vec<_> = readings.collect();
        taken += u64::from(intake.push_partial(at, &readings).is_ok());
    }
    assert_eq!(intake.counts().seen, taken);
    let samples = intake.finish()?;
    let counts = samples.counts();
    assert_eq!((counts.seen, counts.used), (taken, samples.len() as u64));
    assert_eq!(counts.used, counts.seen - counts.dropped - counts.joined);
    assert!(samples.as_columns().iter().all(|load| is_load(*load)));
    Ok(samples)
}

fn points(draw: &mut Draw<'_>) {
    let dimension = 1 + draw.below(6);
    let groups = 1 + draw.below(8);
    let greedy = Greedy { entropy: [draw.byte(); 32], restarts: 1 + draw.below(2) as u32 };
    let lloyd = Lloyd { rounds_max: 1 + draw.below(20) as u32 };
    let seeds: Vec<f64> = (0..groups * dimension).map(|_| draw.number()).collect();
    let rows: Vec<f64> = (0..draw.below(60) * dimension).map(|_| draw.number()).collect();
    let Ok(points) = Points::from_rows(&rows, dimension) else {
        assert!(rows.iter().any(|value| !value.is_finite()));
        return;
    };
    let n = (rows.len() / dimension) as u64;
    let given = SeedSet::given(&seeds, dimension).map_err(Error::from);
    for found in [
        given.and_then(|seeds| lloyd.group(&points, &seeds)),
        greedy.group(&points, groups, b"", &lloyd),
    ] {
        let Ok(grouping) = found else { continue };
        assert_eq!(grouping.counts().iter().sum::<u64>(), n);
        assert_eq!((grouping.groups(), grouping.labels().len() as u64), (groups, n));
        assert!(grouping.centres().iter().all(|centre| centre.is_finite()));
        assert!(grouping.inertia() >= 0.0);
        if n > 0 {
            whole(&Signature::of(&grouping).unwrap(), n);
        }
    }
    let line = ExactGroups::new(rows.iter().map(|&value| (value, 1)), groups);
    if let Ok(line) = line {
        assert_eq!(line.counts().iter().sum::<u64>(), rows.len() as u64);
        assert!(line.centres().is_sorted());
    }
}

fn whole(signature: &Signature, len: u64) {
    assert!(signature.iter().all(|(share, _)| share.total == len));
    assert_eq!(signature.iter().map(|(share, _)| share.count).sum::<u64>(), len);
}

fn is_load(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

/// Choices from the input's bytes; zeros when they are used up.
struct Draw<'a>(&'a [u8]);

impl Draw<'_> {
    fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    /// Mostly loads, often equal ones, and now and then any bits at all.
    fn number(&mut self) -> f64 {
        const ODD: [f64; 12] = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            -0.0,
            -1.0,
            1.000_000_1,
            1e-17,
            100.0,
        ];
        match self.byte() {
            0..16 => ODD[self.below(ODD.len())],
            16..32 => f64::from_bits(u64::from_le_bytes(std::array::from_fn(|_| self.byte()))),
            byte => f64::from(byte - 32) / 223.0,
        }
    }

    fn scale(&mut self) -> Scale {
        match self.below(4) {
            0 => Scale::Allotment,
            1 => Scale::Fixed { low: self.number(), high: self.number() },
            _ => Scale::Fraction,
        }
    }

    fn gap(&mut self) -> OnGap {
        match self.below(3) {
            0 => OnGap::Drop,
            1 => OnGap::Hold { age_max_ms: self.below(9) as u64 * 1_000 },
            _ => OnGap::Refuse,
        }
    }

    fn policy(&mut self) -> Policy {
        let [missing, not_a_number, infinite] = [self.gap(), self.gap(), self.gap()];
        Policy {
            missing,
            not_a_number,
            infinite,
            outside: [OnOutside::Clamp, OnOutside::Drop, OnOutside::Refuse][self.below(3)],
            duplicate: [
                OnDuplicate::Highest,
                OnDuplicate::First,
                OnDuplicate::Last,
                OnDuplicate::Refuse,
            ][self.below(4)],
            skewed: [OnSkew::Drop, OnSkew::Keep, OnSkew::Refuse][self.below(3)],
            span: (self.below(3) == 0).then(|| {
                let from = self.below(20) as u64;
                (Time::from_s(from), Time::from_s(from + self.below(40) as u64))
            }),
        }
    }

    fn config(&mut self, dimension: usize) -> Config {
        let types = 1 + self.below(4);
        let entropy = [self.byte(); 32];
        let mut config = Config::drawn(types + 1 + self.below(4), types, entropy, 1);
        match self.below(5) {
            0 => config.seeding = Seeding::FarthestFirst,
            1 => config.seeding = Seeding::Vertices,
            2 => {
                config.seeding = Seeding::Axis;
                config.groups = dimension + 1;
            }
            _ => {}
        }
        if self.below(2) == 0 {
            config.stage_two.features = Features::Profile { levels: 1 + self.below(5) };
        }
        if self.below(3) == 0 {
            config.stage_two.groups = TypeCount::Chosen { least: 1, most: types };
        }
        if self.below(3) == 0 {
            config.stage_two.seeding = TypeSeeding::Last;
        }
        config.stage_two.formula =
            [LoadFormula::Norm, LoadFormula::Mean, LoadFormula::Highest, LoadFormula::AlongType]
                [self.below(4)];
        config.lloyd.rounds_max = 1 + self.below(20) as u32;
        config
    }
}
