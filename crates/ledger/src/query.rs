//! Queries: what is looked for, and who may look for it.

use crate::{File, FileId, Height, Label, NodeId, PartyId, Refusal, Role, Stage, State, ThingKey};
use alloc::vec::Vec;
use port::wire::{Reader, Writer};
use port::{Time, WireError};

/// What is looked for. How much an answer proves depends on it: see [`crate::Findings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// A file by its name.
    File(FileId),
    /// The live file of a thing.
    Thing(ThingKey),
    /// The live files of everything that a party owns now.
    Owner(PartyId),
    /// Files that are all of something.
    Files(Filter),
}

/// What files have to be; what is `None` may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// What kind of thing they are about.
    pub kind: Option<Label>,
    /// Where it is.
    pub region: Option<Label>,
    /// Where they stand.
    pub stage: Option<Stage>,
    /// They stand there since this moment or later.
    pub from: Option<Time>,
    /// They stood there before this moment.
    pub until: Option<Time>,
}

/// Where a file comes in the order of answers: by the moment since when it stands where it stands, then by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// [`File::since_time`].
    pub since: Time,
    /// Which file.
    pub file: FileId,
}

impl Query {
    /// Whether a file is one that is looked for.
    pub fn matches(&self, id: FileId, file: &File) -> bool {
        match self {
            Self::File(wanted) => *wanted == id,
            Self::Thing(thing) => file.thing == *thing && file.is_live(),
            Self::Owner(party) => file.holder() == *party && file.is_live(),
            Self::Files(filter) => filter.matches(file),
        }
    }

    /// Whether a node may ask this. Supervision may ask everything; what a party owns is for the members that it acts through
    /// alone. Which node asks is for the link to find out.
    ///
    /// # Errors
    /// [`Refusal::UnknownNode`], [`Refusal::NodeRevoked`], [`Refusal::NotAssociated`].
    pub fn check_allowed(&self, state: &State, by: NodeId, height: Height) -> Result<(), Refusal> {
        let node = state.node(by).ok_or(Refusal::UnknownNode)?;
        if !node.is_active(height) {
            return Err(Refusal::NodeRevoked);
        }
        let Self::Owner(party) = self else { return Ok(()) };
        let is_own = || state.party(*party).is_some_and(|party| party.members.contains(&by));
        if node.role == Role::Supervision || is_own() {
            Ok(())
        } else {
            Err(Refusal::NotAssociated)
        }
    }

    /// Appends the sent form: version 1, kind (1), and a name (32), or of a filter each part that is there behind a 1, and else
    /// a 0: kind and region (`u8` length each), stage (1), two times in milliseconds (8 each).
    ///
    /// # Errors
    /// [`WireError::TooLong`]: never for what the types allow.
    pub fn encode(&self, to: &mut Vec<u8>) -> Result<(), WireError> {
        let mut to = Writer::new(to, 1);
        match self {
            Self::File(FileId(name)) => to.u8(1).fixed(name),
            Self::Thing(ThingKey(name)) => to.u8(2).fixed(name),
            Self::Owner(PartyId(name)) => to.u8(3).fixed(name),
            Self::Files(filter) => {
                to.u8(4);
                return filter.write(&mut to);
            }
        };
        Ok(())
    }

    /// Reads the sent form.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut from = Reader::new(bytes);
        from.version(1)?;
        let query = match from.u8()? {
            1 => Self::File(FileId(from.array()?)),
            2 => Self::Thing(ThingKey(from.array()?)),
            3 => Self::Owner(PartyId(from.array()?)),
            4 => Self::Files(Filter::read(&mut from)?),
            _ => return Err(WireError::Invalid),
        };
        from.finish()?;
        Ok(query)
    }
}

impl Filter {
    /// Whether a file is all of it.
    pub fn matches(&self, file: &File) -> bool {
        self.kind.as_ref().is_none_or(|kind| file.kind == *kind)
            && self.region.as_ref().is_none_or(|region| file.region == *region)
            && self.stage.is_none_or(|stage| file.stage() == stage)
            && self.from.is_none_or(|from| from <= file.since_time)
            && self.until.is_none_or(|until| file.since_time < until)
    }

    fn write(&self, to: &mut Writer<'_>) -> Result<(), WireError> {
        for label in [&self.kind, &self.region] {
            match label {
                Some(label) => to.u8(1).lp8(label.as_str().as_bytes())?,
                None => to.u8(0),
            };
        }
        match self.stage {
            Some(stage) => to.u8(1).u8(stage.as_u8()),
            None => to.u8(0),
        };
        for time in [self.from, self.until] {
            match time {
                Some(time) => to.u8(1).u64(time.as_ms()),
                None => to.u8(0),
            };
        }
        Ok(())
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            kind: if from.flag()? { Some(Label::read(from)?) } else { None },
            region: if from.flag()? { Some(Label::read(from)?) } else { None },
            stage: if from.flag()? { Some(Stage::from_u8(from.u8()?)?) } else { None },
            from: if from.flag()? { Some(Time::from_ms(from.u64()?)) } else { None },
            until: if from.flag()? { Some(Time::from_ms(from.u64()?)) } else { None },
        })
    }
}

impl Rank {
    /// Of a file.
    pub const fn of(id: FileId, file: &File) -> Self {
        Self { since: file.since_time, file: id }
    }
}
