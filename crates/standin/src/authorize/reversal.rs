//! Reversals: before, after and instead of their originals. One is always taken: money that was not paid out has to be free again,
//! whoever is away.

use super::record::Amounts;
use super::{Authorize, Stepped, Weighing};
use crate::{AccountState, Entry, EntryState, Kind, Reason, Response, ResponseCode};

impl Authorize {
    pub(super) fn reverse(&self, weighing: &mut Weighing) -> Stepped {
        // Not written down, so that it can come again when there is room.
        if weighing.state.undelivered >= 2 * AccountState::UNDELIVERED_MAX {
            return Ok(self.unrecorded(Reason::Full));
        }
        let mut spends = 0;
        let mut owed = true;
        if let Some(original) = weighing.counterpart.take() {
            // The books know nothing of what was never owed to them, unless they were asked meanwhile.
            owed = original.state != EntryState::NotOwed || original.may_be_booked();
            spends = -self.undo_original(weighing, &original);
        }
        let response = Response {
            approved: Some(self.request.amount),
            ..self.response(ResponseCode::APPROVED)
        };
        let posting = if owed { EntryState::Queued } else { EntryState::NotOwed };
        self.record(weighing, response, None, Amounts { spends, capped: false }, posting)
    }

    /// Gives back what the original took, all or in part; says how much that is.
    fn undo_original(&self, weighing: &mut Weighing, original: &Entry) -> i64 {
        let held = weighing.state.holds.iter().position(|hold| hold.seq == original.seq);
        // A pre-authorization whose hold is gone was completed or lapsed: nothing is left of it to give back.
        let live = original.request.kind != Kind::PreAuthorization || held.is_some();
        if !live || !original.response.is_approval() {
            return 0;
        }
        let approved = original.response.approved;
        let asked = self.request.amount;
        let whole = approved.is_none_or(|approved| {
            asked.currency() != approved.currency() || asked.minor() >= approved.minor()
        });
        let minor = match approved {
            Some(approved) if !whole && approved.minor() > 0 => {
                // Rounded down: never more back than was undone.
                let part = i128::from(original.spent_minor) * i128::from(asked.minor())
                    / i128::from(approved.minor());
                i64::try_from(part).unwrap_or(0)
            }
            _ => original.spent_minor,
        };
        self.give_back(weighing, original, minor, whole);
        match held {
            Some(at) if whole => {
                weighing.state.holds.remove(at);
            }
            Some(at) => weighing.state.holds[at].minor -= minor,
            None => {}
        }
        minor
    }
}
