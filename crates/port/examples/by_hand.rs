//! Without any store of ours: rows come from wherever they live, and the batch goes back there.
//!
//! Here they live in a map; the usual case is a table that the bank has already.
//! `cargo run -p interbank-port --example by_hand`

use interbank_port::{
    Answers, Ask, Batch, Change, Conclusion, CrateTag, Decision, Expect, Key, ReadSet, Row, Rows,
    Step, Tenant, Version,
};
use std::{collections::BTreeMap, convert::Infallible, error::Error};

/// Takes `amount` from a purse that must not become empty.
struct Spend {
    amount: u8,
}

impl Decision for Spend {
    type Verdict = Result<u8, &'static str>;
    type Error = Infallible;

    fn begin(&mut self) -> Ask {
        Ask::rows(ReadSet::points([purse()]))
    }

    fn step(&mut self, answers: Answers) -> Result<Step<Self::Verdict>, Infallible> {
        let row = answers.rows.points.first().and_then(Option::as_ref);
        let has = row.and_then(|row| row.value.first()).copied().unwrap_or(0);
        let mut batch = Batch::new();
        let verdict = has.checked_sub(self.amount).ok_or("not enough");
        if let Ok(left) = verdict {
            let as_found = row.map_or(Expect::Absent, |row| Expect::At(row.version));
            batch.put(purse(), as_found, vec![left]);
        }
        Ok(Step::Done(Conclusion { verdict, batch }))
    }
}

fn purse() -> Key {
    Key::new(CrateTag::PORT, Tenant::new(1), 1)
}

/// The bank's own table: key, version, value.
type Table = BTreeMap<Vec<u8>, (u64, Vec<u8>)>;

fn look_up(table: &Table, ask: &Ask) -> Answers {
    let find = |key: &Key| {
        let (version, value) = table.get(key.as_bytes())?.clone();
        Some(Row { version: Version::new(version), value: value.into() })
    };
    let points = ask.rows.points.iter().map(find).collect();
    // This decision neither scans nor asks for keys.
    Answers { rows: Rows { points, scans: Vec::new() }, keys: Vec::new() }
}

/// All or nothing, and only if every row is as the batch expects; false means that somebody was faster.
fn write(table: &mut Table, version: u64, batch: &Batch) -> bool {
    let found = |key: &Key| table.get(key.as_bytes()).map(|(version, _)| Version::new(*version));
    if !batch.ops().iter().all(|op| op.expect.holds(found(&op.key))) {
        return false;
    }
    for op in batch.ops() {
        let key = op.key.as_bytes().to_vec();
        match &op.change {
            Change::Keep => {}
            Change::Put(value) => drop(table.insert(key, (version, value.to_vec()))),
            Change::Delete => drop(table.remove(&key)),
        }
    }
    true
}

fn conclude(
    table: &Table,
    spend: &mut Spend,
) -> Result<Conclusion<Result<u8, &'static str>>, Box<dyn Error>> {
    let mut ask = spend.begin();
    loop {
        match spend.step(look_up(table, &ask))? {
            Step::Ask(next) => ask = next,
            Step::Done(conclusion) => return Ok(conclusion),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut table = Table::from([(purse().as_bytes().to_vec(), (1, vec![10]))]);
    // Two tills conclude on the same rows; the second to write has to conclude again.
    let first = conclude(&table, &mut Spend { amount: 7 })?;
    let second = conclude(&table, &mut Spend { amount: 7 })?;
    assert_eq!((first.verdict, second.verdict), (Ok(3), Ok(3)));
    assert!(write(&mut table, 2, &first.batch), "the first may now be told");
    assert!(!write(&mut table, 3, &second.batch), "the second must not");

    let again = conclude(&table, &mut Spend { amount: 7 })?;
    assert_eq!(again.verdict, Err("not enough"));
    assert!(again.batch.is_empty(), "nothing to write, so it may be told at once");
    assert_eq!(table[purse().as_bytes()], (2, vec![3]));
    Ok(())
}
