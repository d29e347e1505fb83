//! Answers to queries, and what can be taken from them.

use crate::shown::Shown;
use crate::{
    Entry, EntryKey, File, FileId, Height, Index, PartyId, ProofError, Query, Rank, SignedHeader,
    Trust,
};
use alloc::boxed::Box;
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// What a node answers to a [`Query`]: files, each with its proof under the state root of one signed header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As of which block.
    pub header: SignedHeader,
    pub(crate) shown: Vec<Shown>,
    /// Where to go on asking; `None`: that was all.
    pub next: Option<Rank>,
}

impl Answer {
    /// The longest form that is read, in bytes.
    pub const BYTES_MAX: usize = 128 * 1024;

    /// Appends the sent form: version 1, signed header (`u16` length), count (1), for each its name (`u8` length), value (0, or 1
    /// and a `u16` length) and map proof, then 0, or 1 and time in milliseconds (8) and file (32) to go on after.
    ///
    /// # Errors
    /// [`WireError::TooLong`].
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut header = Vec::with_capacity(SignedHeader::BYTES);
        self.header.encode(&mut header)?;
        let count = u8::try_from(self.shown.len()).map_err(|_| WireError::TooLong)?;
        Writer::new(to, 1).lp16(&header)?.u8(count);
        self.shown.iter().try_for_each(|shown| shown.write(to))?;
        let mut to = Writer::bare(to);
        match &self.next {
            Some(rank) => to.u8(1).u64(rank.since.as_ms()).fixed(&rank.file.0),
            None => to.u8(0),
        };
        Ok(())
    }

    /// Reads the sent form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(WireError::TooLong);
        }
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let header = SignedHeader::parse(from.lp16()?)?;
        let count = from.u8()?;
        if usize::from(count) > Index::PAGE_MAX + 2 {
            return Err(WireError::TooLong);
        }
        let shown = (0..count).map(|_| Shown::read(&mut from)).collect::<Result<_, _>>()?;
        let next = if from.flag()? {
            Some(Rank { since: Time::from_ms(from.u64()?), file: FileId(from.array()?) })
        } else {
            None
        };
        from.finish()?;
        Ok(Self { header, shown, next })
    }
}

/// Takes the answers to one query, page by page, and nothing from them that is not proved.
///
/// What is found is true as of the block that its answer names: every file is under a state root that was signed, and is what was
/// asked for. Whether something was left out is known
///
/// - for [`Query::File`] and [`Query::Thing`]: that there is none is proved as well;
/// - for [`Query::Owner`]: how many things a party owns is under the root too, and has to be reached, with all pages as of one
///   block. Fewer is [`ProofError::Partial`]; pages of different blocks are [`ProofError::Moved`]: ask again from the beginning;
/// - for [`Query::Files`] never: no root says how many there are. Since nothing false can be shown, what several nodes show may be
///   put together, and one honest node among them is enough. A filter on what one party owns is better asked by its owner.
///
/// An old block is not a false one: whoever needs news looks at [`Found::height`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    query: Query,
    /// The first page's header.
    first: Option<SignedHeader>,
    files: Vec<FoundFile>,
    after: Option<Rank>,
    is_done: bool,
}

impl Findings {
    /// Nothing yet.
    pub const fn new(query: Query) -> Self {
        Self { query, first: None, files: Vec::new(), after: None, is_done: false }
    }

    /// Takes the next page. Says whether there is another one to ask for, after [`Findings::after`]. On error nothing changed.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn update(&mut self, trust: &Trust, answer: &Answer) -> Result<bool, ProofError> {
        if self.is_done {
            return Err(ProofError::NotAsked);
        }
        trust.check(&answer.header)?;
        if matches!(self.query, Query::Owner(_))
            && self.first.as_ref().is_some_and(|first| first.header != answer.header.header)
        {
            return Err(ProofError::Moved);
        }
        let (tally, files) = match self.query {
            Query::File(id) => (None, one(answer, EntryKey::File(id))?),
            Query::Thing(thing) => (None, self.live(answer, EntryKey::Thing(thing))?),
            Query::Owner(party) => {
                let (tally, rest) = tally(answer, party)?;
                (Some(tally), self.page(answer, rest)?)
            }
            Query::Files(_) => (None, self.page(answer, &answer.shown)?),
        };
        let found = self.files.len() + files.len();
        if answer.next.is_none() && tally.is_some_and(|tally| found != tally) {
            return Err(ProofError::Partial);
        }
        self.first.get_or_insert_with(|| answer.header.clone());
        self.files.extend(files);
        self.after = answer.next;
        self.is_done = answer.next.is_none();
        Ok(!self.is_done)
    }

    /// After which place the next page is to begin.
    pub const fn after(&self) -> Option<Rank> {
        self.after
    }

    /// Everything, after the last page.
    ///
    /// # Errors
    /// [`ProofError::Partial`] if there are more pages.
    pub fn finish(self) -> Result<Found, ProofError> {
        match self.first {
            Some(first) if self.is_done => Ok(Found {
                height: first.header.height,
                time: first.header.time,
                files: self.files,
                is_complete: !matches!(self.query, Query::Files(_)),
            }),
            _ => Err(ProofError::Partial),
        }
    }

    /// A thing's live file, behind the thing's entry.
    fn live(&self, answer: &Answer, key: EntryKey) -> Result<Vec<FoundFile>, ProofError> {
        let (first, rest) = answer.shown.split_first().ok_or(ProofError::NotAsked)?;
        if first.key != key || answer.next.is_some() {
            return Err(ProofError::NotAsked);
        }
        let root = &answer.header.header.state_root;
        match (first.verify(root)?, rest) {
            (None, []) => Ok(Vec::new()),
            (Some(Entry::Thing(_, Some(holding))), [shown]) => {
                let found = file(answer, shown)?.ok_or(ProofError::NotAsked)?;
                let is_it = found.id == holding.file && self.query.matches(found.id, &found.file);
                if is_it { Ok(alloc::vec![found]) } else { Err(ProofError::NotAsked) }
            }
            _ => Err(ProofError::NotAsked),
        }
    }

    /// Files that are all looked for, in their order, after those before.
    fn page(&self, answer: &Answer, shown: &[Shown]) -> Result<Vec<FoundFile>, ProofError> {
        let mut last = self.after;
        let mut files = Vec::with_capacity(shown.len());
        for shown in shown {
            let found = file(answer, shown)?.ok_or(ProofError::NotAsked)?;
            let rank = Rank::of(found.id, &found.file);
            if last.is_some_and(|last| rank <= last) || !self.query.matches(found.id, &found.file) {
                return Err(ProofError::NotAsked);
            }
            last = Some(rank);
            files.push(found);
        }
        // Asking goes forward, or it would never end.
        let goes_on = answer
            .next
            .is_none_or(|next| Some(next) >= last && self.after.is_none_or(|after| after < next));
        if goes_on { Ok(files) } else { Err(ProofError::NotAsked) }
    }
}

/// What was found, and as of when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// After which block; of several pages the first one's.
    pub height: Height,
    /// When that was, by the block.
    pub time: Time,
    /// In the order of their ranks.
    pub files: Vec<FoundFile>,
    /// Whether it is proved that there are no others.
    pub is_complete: bool,
}

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Which one.
    pub id: FileId,
    /// As it was.
    pub file: Box<File>,
    /// After which block.
    pub height: Height,
}

fn one(answer: &Answer, key: EntryKey) -> Result<Vec<FoundFile>, ProofError> {
    match &answer.shown[..] {
        [shown] if shown.key == key && answer.next.is_none() => {
            Ok(file(answer, shown)?.into_iter().collect())
        }
        _ => Err(ProofError::NotAsked),
    }
}

/// How many things a party owns, and what is shown behind it.
fn tally(answer: &Answer, party: PartyId) -> Result<(usize, &[Shown]), ProofError> {
    let (first, rest) = answer.shown.split_first().ok_or(ProofError::NotAsked)?;
    if first.key != EntryKey::Tally(party) {
        return Err(ProofError::NotAsked);
    }
    match first.verify(&answer.header.header.state_root)? {
        None => Ok((0, rest)),
        Some(Entry::Tally(_, count)) => {
            Ok((usize::try_from(count).map_err(|_| ProofError::Form)?, rest))
        }
        Some(_) => Err(ProofError::NotAsked),
    }
}

fn file(answer: &Answer, shown: &Shown) -> Result<Option<FoundFile>, ProofError> {
    let header = &answer.header.header;
    match shown.verify(&header.state_root)? {
        None => Ok(None),
        Some(Entry::File(id, file)) => Ok(Some(FoundFile { id, file, height: header.height })),
        Some(_) => Err(ProofError::NotAsked),
    }
}
