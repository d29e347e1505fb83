//! The settlement file: what a merchant's bank is told at the end of a business day, as plain text with control totals.
//!
//! One record a line, fields between commas, the kind of record first; amounts in minor units, positive where the merchant gets
//! them. There is no account in it, neither clear nor as a token. The README describes each field.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// A settlement file, as it is written and as it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettlementFile {
    pub(crate) head: Head,
    pub(crate) lines: Vec<Line>,
    /// In the order of the merchants' identifiers.
    pub(crate) merchants: Vec<Merchant>,
}

impl SettlementFile {
    /// With totals by merchant; `brought` is what earlier files came to, by merchant.
    pub(crate) fn new(
        head: Head,
        lines: Vec<Line>,
        brought: &BTreeMap<String, i64>,
    ) -> Result<Self, BadFile> {
        let mut merchants: BTreeMap<&str, Merchant> = BTreeMap::new();
        for line in &lines {
            let total = merchants.entry(&line.merchant).or_insert_with(|| {
                Merchant::new(&line.merchant, brought.get(&line.merchant).copied().unwrap_or(0))
            });
            total.add(line)?;
        }
        let merchants = merchants.into_values().collect();
        Ok(Self { head, lines, merchants })
    }

    /// What all lines come to.
    pub(crate) fn net_minor(&self) -> Result<i64, BadFile> {
        sum(self.lines.iter().map(|line| line.minor))
    }

    /// All amounts without their signs: the control total.
    pub(crate) fn turnover_minor(&self) -> Result<i64, BadFile> {
        sum(self.lines.iter().map(|line| line.minor.saturating_abs()))
    }

    /// The text.
    pub(crate) fn to_text(&self) -> Result<String, BadFile> {
        let Head { bank, acquirer, day, currency, number, follows, closed } = &self.head;
        let mut text = String::with_capacity(96 * (self.lines.len() + 3));
        // Writing to a text does not fail.
        let _ = writeln!(
            text,
            "H,{FORMAT},{VERSION},{bank},{acquirer},{day},{currency},{number},{follows},{closed}"
        );
        for (at, line) in (1_usize..).zip(&self.lines) {
            let Line { kind, merchant, order, reference, at: when, minor } = line;
            let kind = kind.word();
            let _ = writeln!(text, "L,{at},{kind},{merchant},{order},{reference},{when},{minor}");
        }
        for one in &self.merchants {
            let Merchant { merchant, counts: [p, r, v], sums: [ps, rs, vs], net, brought, carried } =
                one;
            let _ =
                writeln!(text, "M,{merchant},{p},{ps},{r},{rs},{v},{vs},{net},{brought},{carried}");
        }
        let (turnover, net) = (self.turnover_minor()?, self.net_minor()?);
        let _ = writeln!(text, "T,{},{},{turnover},{net}", self.lines.len(), self.merchants.len());
        Ok(text)
    }

    /// Reads a file, adds everything up again, and refuses it unless it says the same, to the byte.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BadFile> {
        let text = std::str::from_utf8(bytes).map_err(|_| BadFile::Malformed(1))?;
        let (mut head, mut lines, mut stated, mut control) = (None, Vec::new(), Vec::new(), None);
        for (number, record) in (1..).zip(text.split_terminator('\n')) {
            let malformed = || BadFile::Malformed(number);
            let fields: Vec<&str> = record.split(',').collect();
            match &fields[..] {
                ["H", FORMAT, version, rest @ ..] if number == 1 => {
                    if *version != VERSION {
                        return Err(BadFile::Version);
                    }
                    head = Some(Head::parse(rest).ok_or_else(malformed)?);
                }
                ["L", _, rest @ ..] if stated.is_empty() && control.is_none() => {
                    lines.push(Line::parse(rest).ok_or_else(malformed)?);
                }
                ["M", rest @ ..] if control.is_none() => {
                    stated.push(Merchant::parse(rest).ok_or_else(malformed)?);
                }
                ["T", rest @ ..] if control.is_none() => control = Some(rest.join(",")),
                _ => return Err(malformed()),
            }
        }
        let (Some(head), Some(control)) = (head, control) else { return Err(BadFile::CutShort) };
        let brought = stated.iter().map(|one| (one.merchant.clone(), one.brought)).collect();
        let file = Self::new(head, lines, &brought)?;
        if file.merchants != stated {
            return Err(BadFile::Totals);
        }
        let again = file.to_text()?;
        let said = again.lines().last().and_then(|last| last.strip_prefix("T,"));
        if said != Some(&control) {
            return Err(BadFile::Control);
        }
        // Line numbers, order of records, spelling of numbers.
        if again.as_bytes() != bytes {
            return Err(BadFile::Spelling);
        }
        Ok(file)
    }
}

/// The first record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Who writes.
    pub(crate) bank: String,
    /// To whom.
    pub(crate) acquirer: String,
    /// The business day: a date.
    pub(crate) day: String,
    /// Of all amounts.
    pub(crate) currency: String,
    /// Of the closing.
    pub(crate) number: u32,
    /// The number in the file before, to this bank; 0 in the first one.
    pub(crate) follows: u32,
    /// When the day was closed.
    pub(crate) closed: String,
}

impl Head {
    fn parse(fields: &[&str]) -> Option<Self> {
        let [bank, acquirer, day, currency, number, follows, closed] = fields else { return None };
        Some(Self {
            bank: word(bank)?,
            acquirer: word(acquirer)?,
            day: word(day)?,
            currency: word(currency)?,
            number: number.parse().ok()?,
            follows: follows.parse().ok()?,
            closed: word(closed)?,
        })
    }
}

/// A movement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) kind: LineKind,
    pub(crate) merchant: String,
    /// The beginning of the order's number; may be empty.
    pub(crate) order: String,
    /// The bank's own reference: the posting's key, in hexadecimal digits.
    pub(crate) reference: String,
    /// When it was posted.
    pub(crate) at: String,
    /// Positive where the merchant gets it.
    pub(crate) minor: i64,
}

impl Line {
    fn parse(fields: &[&str]) -> Option<Self> {
        let [kind, merchant, order, reference, at, minor] = fields else { return None };
        Some(Self {
            kind: LineKind::ALL.into_iter().find(|one| one.word() == *kind)?,
            merchant: word(merchant)?,
            order: if order.is_empty() { String::new() } else { word(order)? },
            reference: word(reference)?,
            at: word(at)?,
            minor: minor.parse().ok()?,
        })
    }
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineKind {
    Payment,
    Refund,
    Reversal,
}

impl LineKind {
    const ALL: [Self; 3] = [Self::Payment, Self::Refund, Self::Reversal];

    const fn word(self) -> &'static str {
        match self {
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Reversal => "reversal",
        }
    }
}

/// What a merchant's lines come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merchant {
    pub(crate) merchant: String,
    /// Payments, refunds, reversals.
    pub(crate) counts: [u32; 3],
    pub(crate) sums: [i64; 3],
    pub(crate) net: i64,
    /// What all earlier files came to.
    pub(crate) brought: i64,
    /// What all files up to this one come to: what the bank's books say of the merchant's account.
    pub(crate) carried: i64,
}

impl Merchant {
    fn new(merchant: &str, brought: i64) -> Self {
        let merchant = merchant.to_owned();
        Self { merchant, counts: [0; 3], sums: [0; 3], net: 0, brought, carried: brought }
    }

    fn add(&mut self, line: &Line) -> Result<(), BadFile> {
        let [count, total] = match line.kind {
            LineKind::Payment => [0, 0],
            LineKind::Refund => [1, 1],
            LineKind::Reversal => [2, 2],
        };
        self.counts[count] += 1;
        for figure in [&mut self.sums[total], &mut self.net, &mut self.carried] {
            *figure = figure.checked_add(line.minor).ok_or(BadFile::Overflow)?;
        }
        Ok(())
    }

    fn parse(fields: &[&str]) -> Option<Self> {
        let [merchant, p, ps, r, rs, v, vs, net, brought, carried] = fields else { return None };
        let figure = |text: &str| text.parse::<i64>().ok();
        Some(Self {
            merchant: word(merchant)?,
            counts: [p.parse().ok()?, r.parse().ok()?, v.parse().ok()?],
            sums: [figure(ps)?, figure(rs)?, figure(vs)?],
            net: figure(net)?,
            brought: figure(brought)?,
            carried: figure(carried)?,
        })
    }
}

/// Why a file is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadFile {
    /// A record is none, or stands where it must not.
    Malformed(u32),
    /// It is of another version.
    Version,
    /// A first or last record is missing.
    CutShort,
    /// A merchant's lines do not come to what is said.
    Totals,
    /// Number of records, turnover or net is not what is said.
    Control,
    /// It says the right things in other bytes.
    Spelling,
    /// A sum is larger than amounts can be.
    Overflow,
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(line) => return write!(f, "record {line} is malformed"),
            Self::Version => "the file is of another version",
            Self::CutShort => "the first or the last record is missing",
            Self::Totals => "a merchant's total is not what its lines come to",
            Self::Control => "the control totals are not what the lines come to",
            Self::Spelling => "the file is not spelled as it has to be",
            Self::Overflow => "a sum is too large",
        })
    }
}

impl std::error::Error for BadFile {}

/// A field that holds no separator and nothing that a spreadsheet would take for a formula.
fn word(text: &str) -> Option<String> {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-');
    let is_word = text.len() <= WORD_BYTES_MAX
        && text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && text.bytes().all(is_plain);
    is_word.then(|| text.to_owned())
}

fn sum(mut minors: impl Iterator<Item = i64>) -> Result<i64, BadFile> {
    minors.try_fold(0_i64, i64::checked_add).ok_or(BadFile::Overflow)
}

const FORMAT: &str = "refbank-settlement";
const VERSION: &str = "1";
const WORD_BYTES_MAX: usize = 128;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn head(number: u32, follows: u32) -> Head {
        Head {
            bank: "refbank.example".into(),
            acquirer: "north-bank".into(),
            day: "2026-11-26".into(),
            currency: "EUR".into(),
            number,
            follows,
            closed: "2026-11-26T18:00:00.000Z".into(),
        }
    }

    pub(crate) fn line(kind: LineKind, merchant: &str, minor: i64) -> Line {
        Line {
            kind,
            merchant: merchant.into(),
            order: String::new(),
            reference: "00ff".into(),
            at: "2026-11-26T15:33:02.000Z".into(),
            minor,
        }
    }

    fn example() -> SettlementFile {
        let lines = vec![
            line(LineKind::Payment, "M0002", 700),
            line(LineKind::Payment, "M0001", 1_250),
            line(LineKind::Refund, "M0001", -200),
            line(LineKind::Reversal, "M0001", -1_050),
        ];
        SettlementFile::new(head(3, 1), lines, &[("M0001".into(), 400)].into()).unwrap()
    }

    #[test]
    fn the_text_is_what_the_readme_says_and_comes_back() {
        let file = example();
        let text = file.to_text().unwrap();
        let expected = "H,refbank-settlement,1,refbank.example,north-bank,2026-11-26,EUR,3,1,2026-11-26T18:00:00.000Z\n\
            L,1,payment,M0002,,00ff,2026-11-26T15:33:02.000Z,700\n\
            L,2,payment,M0001,,00ff,2026-11-26T15:33:02.000Z,1250\n\
            L,3,refund,M0001,,00ff,2026-11-26T15:33:02.000Z,-200\n\
            L,4,reversal,M0001,,00ff,2026-11-26T15:33:02.000Z,-1050\n\
            M,M0001,1,1250,1,-200,1,-1050,0,400,400\n\
            M,M0002,1,700,0,0,0,0,700,0,700\n\
            T,4,2,3200,700\n";
        assert_eq!(text, expected);
        assert_eq!(SettlementFile::parse(text.as_bytes()), Ok(file));
    }

    #[test]
    fn whatever_is_changed_is_refused() {
        let text = example().to_text().unwrap();
        let with = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            SettlementFile::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err()
        };
        assert_eq!(with(",1250\n", ",1251\n"), BadFile::Totals);
        assert_eq!(with("T,4,2,3200", "T,4,2,3201"), BadFile::Control);
        assert_eq!(with("L,2,", "L,3,"), BadFile::Spelling);
        assert_eq!(with(",700\nL", ",+700\nL"), BadFile::Spelling);
        assert_eq!(with("settlement,1,", "settlement,2,"), BadFile::Version);
        assert_eq!(with("payment", "gift"), BadFile::Malformed(2));
        assert_eq!(with("refbank.example", "=1+1"), BadFile::Malformed(1));
        assert_eq!(with("T,4,2,3200,700\n", ""), BadFile::CutShort);
        assert_eq!(with("M,M0002", "L,M0002"), BadFile::Malformed(7));
        // Each byte counts, and so does each that is missing.
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let changed = SettlementFile::parse(&bytes);
            assert!(changed.is_err() || changed != Ok(example()), "{at}");
            assert!(SettlementFile::parse(&text.as_bytes()[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn sums_do_not_wrap() {
        let lines =
            vec![line(LineKind::Payment, "M0001", i64::MAX), line(LineKind::Payment, "M0001", 1)];
        assert_eq!(
            SettlementFile::new(head(1, 0), lines, &BTreeMap::new()),
            Err(BadFile::Overflow)
        );
    }
}
