//! What is stored is read, page by page, and has to be one block's end.

use super::{Registrar, RegistrarEvent};
use crate::restoring::Restoring;
use crate::rows::{DECIDED, Decided, ENTRIES, Head, Rows, TILES};
use crate::{Certificate, Checkpoint, Corrupt, Error, Height, Misuse, Status};
use alloc::vec::Vec;
use port::{Effect, Key, ReadSet, Row, Scan, Ticket, Version};
use sha2::{Digest as _, Sha256};

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Opening {
    asked: Option<Ticket>,
    stage: Stage,
    head: Option<(Version, Head)>,
    /// Since there is a head.
    chain: Option<Restoring>,
    decided: Vec<(Height, Decided)>,
}

impl Opening {
    /// Whether a read failed, and is to be repeated.
    pub(super) const fn is_stuck(&self) -> bool {
        self.asked.is_none()
    }
}

/// What is read next; after a key, if a page was full.
#[derive(Clone, Debug, Default)]
enum Stage {
    #[default]
    Head,
    Page(u8, Option<Key>),
    /// The head again: what was read between the two is of one block if they are the same.
    HeadAgain,
}

impl Registrar {
    /// Reads what comes next.
    pub(super) fn read_on(&mut self) {
        let ticket = self.ticket();
        let Some(opening) = &mut self.opening else { return };
        let want = match &opening.stage {
            Stage::Head | Stage::HeadAgain => ReadSet::points([self.rows.head()]),
            Stage::Page(table, after) => ReadSet::scan(Scan {
                prefix: self.rows.table(*table),
                after: after.clone(),
                limit: PAGE,
            }),
        };
        opening.asked = Some(ticket);
        self.effects.push_back(Effect::Read { ticket, want });
    }

    /// Takes a page of the opening; `false` if it was not asked for by it.
    pub(super) fn on_page(
        &mut self,
        ticket: Ticket,
        rows: Option<port::Rows>,
    ) -> Result<bool, Error> {
        let Some(opening) = &mut self.opening else { return Ok(false) };
        if opening.asked != Some(ticket) {
            return Ok(false);
        }
        opening.asked = None;
        // Repeated at the next tick.
        let Some(rows) = rows else { return Ok(true) };
        match opening.stage.clone() {
            Stage::Head => {
                let head = rows.points.into_iter().next().flatten();
                opening.head = head.map(|row| parse_head(&row)).transpose()?;
                if opening.head.is_none() {
                    self.opened(None)?;
                    return Ok(true);
                }
                let genesis = self.chain.state().genesis().clone();
                opening.chain = Some(Restoring::new(genesis).map_err(Misuse::too_long)?);
                opening.stage = Stage::Page(ENTRIES, None);
            }
            Stage::Page(table, _) => {
                let page = rows.scans.into_iter().next().ok_or(Misuse::NotAsked)?;
                for (key, row) in &page {
                    opening.take(table, key, &row.value)?;
                }
                opening.stage = match page.last() {
                    Some((key, _)) if page.len() == PAGE => Stage::Page(table, Some(key.clone())),
                    _ => match table {
                        ENTRIES => Stage::Page(TILES, None),
                        TILES => Stage::Page(DECIDED, None),
                        _ => Stage::HeadAgain,
                    },
                };
            }
            Stage::HeadAgain => {
                let head = rows.points.into_iter().next().flatten();
                let before = opening.head.take();
                if head.as_ref().map(|row| row.version) == before.as_ref().map(|head| head.0) {
                    self.opened(before)?;
                    return Ok(true);
                }
                // Somebody else wrote meanwhile.
                *opening = Opening::default();
            }
        }
        self.read_on();
        Ok(true)
    }

    fn opened(&mut self, head: Option<(Version, Head)>) -> Result<(), Error> {
        let opening = self.opening.take().unwrap_or_default();
        if let (Some((version, head)), Some(chain)) = (head, opening.chain) {
            self.chain = chain.finish(head.header.clone())?;
            if !self.is_own(&head) {
                return Err(Corrupt::Root.into());
            }
            self.head = Some(version);
            self.checkpoint = head.checkpoint;
        }
        for (height, decided) in opening.decided {
            self.remember(height, decided);
        }
        self.events.push_back(RegistrarEvent::Opened(self.chain.next_height()));
        let node = self.node;
        let to_audit = self.chain.state().files().filter(|(_, file)| {
            file.status == Status::Auditing
                && !file.approvals.contains(&node)
                && !file.rejections.contains(&node)
        });
        let requested = to_audit.map(|(id, _)| RegistrarEvent::Requested(id));
        self.events.extend(requested);
        self.flag_overdue();
        Ok(())
    }
}

impl Registrar {
    /// Whether a stored checkpoint is of the log as it was restored, and signed by who signed the block. A block that was voted for
    /// has none: its votes vouch for the log.
    fn is_own(&self, head: &Head) -> bool {
        let signed = &head.header;
        let Certificate::Authority { key_number, .. } = &signed.certificate else {
            return head.checkpoint.is_none();
        };
        let Some(checkpoint) = &head.checkpoint else { return false };
        let signer = self.chain.state().node(signed.header.proposer);
        let key = signer.and_then(|node| node.ring.at(*key_number, signed.header.height));
        let expected = Checkpoint::of(self.chain.state().genesis().origin(), self.chain.log());
        Checkpoint::parse(checkpoint).as_ref() == Ok(&expected)
            && key.is_some_and(|key| checkpoint.is_signed_by(&expected.origin, key))
    }
}

impl Opening {
    fn take(&mut self, table: u8, key: &Key, value: &[u8]) -> Result<(), Corrupt> {
        let chain = self.chain.as_mut().ok_or(Corrupt::Missing)?;
        match table {
            ENTRIES => {
                chain.put(Rows::parse_entry(key, value)?, Some(Sha256::digest(value).into()));
            }
            TILES => {
                // Every tile but the last one is full, and none is missing.
                let index = Rows::parse_number(key)?;
                let hashes = Rows::parse_tile(value)?;
                let width = crate::Log::TILE_WIDTH as u64;
                if Some(chain.log_size()) != index.checked_mul(width) {
                    return Err(Corrupt::Missing);
                }
                hashes.iter().for_each(|leaf| chain.push_leaf(*leaf));
            }
            _ => {
                let height = Height(Rows::parse_number(key)?);
                self.decided.push((height, Decided::parse(value)?));
            }
        }
        Ok(())
    }
}

fn parse_head(row: &Row) -> Result<(Version, Head), Corrupt> {
    Ok((row.version, Head::parse(&row.value)?))
}

/// A page of the opening.
const PAGE: usize = Scan::ROWS_MAX;
