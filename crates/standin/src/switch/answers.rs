//! What the accounting system and the stand-in module said, and what is answered.

use super::health::Sign;
use super::pending::Stage;
use super::routing::was_asked_before;
use super::{Diverted, Forced, HealthState, Silence, Switch, SwitchError, SwitchEvent};
use crate::{Answered, HostOutcome, InstitutionId, RequestKey, Response, TransactionRequest};
use alloc::boxed::Box;
use alloc::vec::Vec;
use port::{Peer, Time};

impl Switch {
    /// The accounting system of an institution answered. Answers are matched by their key only.
    ///
    /// An acquirer may have sent an advice: what answers it is told here, and not to the forwarder, while this key was asked.
    ///
    /// # Errors
    /// [`SwitchError::UnknownInstitution`].
    pub fn host_answered(
        &mut self,
        now: Time,
        institution: InstitutionId,
        response: Response,
    ) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let host = self.hosts.get_mut(&institution).ok_or(SwitchError::UnknownInstitution)?;
        host.quiet_since = now;
        let (delegates, fails) = (
            host.config.delegating.contains(&response.code),
            host.config.failing.contains(&response.code),
        );
        let key = response.key;
        let sent = self.pending.get(&key).and_then(|pending| match pending.stage {
            Stage::AtHost { sent } if pending.request.institution == institution => Some(sent),
            _ => None,
        });
        let Some(sent) = sent else {
            if let Some(pending) = self.pending.get_mut(&key)
                && pending.request.institution == institution
                && !delegates
                && !fails
            {
                pending.late = Some(response.clone());
            }
            self.events.push_back(SwitchEvent::Late { institution, response });
            self.arm(now, institution);
            return Ok(());
        };
        let took_ms = now.since_ms(sent);
        let sign = if fails { Sign::Failed } else { Sign::Answered { took_ms } };
        self.see(now, institution, sign);
        if !matches!(self.pending.get(&key).map(|one| &one.stage), Some(Stage::AtHost { .. })) {
            // This very failure diverted it, with everything else in flight.
            return Ok(());
        }
        if delegates {
            if let Some(pending) = self.pending.get_mut(&key) {
                pending.asked_host = false;
            }
            self.divert(now, key, Diverted::Delegated);
        } else if fails {
            self.divert(now, key, Diverted::Failed);
        } else {
            self.leave_host(institution, &key);
            self.keep(now, key, response, 0);
        }
        self.arm(now, institution);
        Ok(())
    }

    /// A request could not be sent to the accounting system. The stand-in module decides.
    ///
    /// # Errors
    /// [`SwitchError::NotAsked`].
    pub fn host_unsent(&mut self, now: Time, key: &RequestKey) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let pending = self.pending.get_mut(key).ok_or(SwitchError::NotAsked)?;
        let Stage::AtHost { .. } = pending.stage else { return Err(SwitchError::NotAsked) };
        let institution = pending.request.institution;
        // Whoever says that it did not leave knows; an embedder in doubt lets it time out.
        pending.asked_host =
            was_asked_before(&pending.request, self.started, self.config.skew.max_ms);
        self.divert(now, *key, Diverted::Unsent);
        self.see(now, institution, Sign::Unsent);
        self.arm(now, institution);
        Ok(())
    }

    /// The stand-in module decided. What is in the journal is the answer, in every epoch. What is not (the message was refused) is
    /// fenced: it counts only while its epoch does.
    ///
    /// # Errors
    /// [`SwitchError::NotAsked`]: nobody waits any more; a repeat will get what is in the journal.
    pub fn stand_in_answered(&mut self, now: Time, answered: &Answered) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let key = answered.response.key;
        let pending = self.pending.get(&key).ok_or(SwitchError::NotAsked)?;
        let Stage::AtStandIn { epoch, .. } = pending.stage else {
            return Err(SwitchError::NotAsked);
        };
        if answered.entry.is_none() && !self.is_current(pending.request.institution, epoch) {
            return self.stand_in_failed(now, &key);
        }
        let pending = self.take(&key).ok_or(SwitchError::NotAsked)?;
        self.answer(pending.waiting, answered.response.clone());
        Ok(())
    }

    /// The stand-in module did not decide, and journalled nothing: its parameters are outdated, its lane is dry, or
    /// [`Switch::is_current`] said no. The request is routed anew if there is somebody else to ask.
    ///
    /// # Errors
    /// [`SwitchError::NotAsked`].
    pub fn stand_in_failed(&mut self, now: Time, key: &RequestKey) -> Result<(), SwitchError> {
        let now = self.clamp.see(now);
        let pending = self.pending.get_mut(key).ok_or(SwitchError::NotAsked)?;
        let Stage::AtStandIn { epoch, host, why } = pending.stage else {
            return Err(SwitchError::NotAsked);
        };
        let institution = pending.request.institution;
        if let Some(late) = pending.late.take() {
            self.unpin(key);
            self.keep(now, *key, late, 0);
            return Ok(());
        }
        let is_asked = host != HostOutcome::NotAsked || pending.asked_host;
        let current = self.is_current(institution, epoch);
        let Some(pending) = self.pending.get(key) else { return Err(SwitchError::NotAsked) };
        let open = self.hosts.get(&institution).is_some_and(|one| one.health.host_share_bp() > 0);
        // It has had its turn: asked again it would say the same, again and again.
        let had_its_turn = matches!(why, Diverted::Delegated | Diverted::Unsent);
        if !pending.sticky && !is_asked && !had_its_turn && open {
            self.unpin(key);
            self.ask_host(now, *key);
        } else if !current {
            self.unpin(key);
            self.ask_stand_in(now, *key, why);
        } else {
            self.fall_silent(key, Silence::StandIn);
        }
        Ok(())
    }

    /// Whether a decision of this epoch may still be run: look right before. After the accounting system is back, a decision that
    /// was ordered before is not (spec: fencing).
    pub fn is_current(&self, institution: InstitutionId, epoch: u64) -> bool {
        self.hosts.get(&institution).is_some_and(|host| {
            host.health.epoch() == epoch
                || !matches!(host.health.state(), HealthState::Online | HealthState::Suspect)
                || host.health.forced() == Some(Forced::StandIn)
        })
    }

    pub(super) fn answer(&mut self, waiting: Vec<Peer>, response: Response) {
        for to in waiting {
            self.events.push_back(SwitchEvent::Answer { to, response: response.clone() });
        }
    }

    pub(super) fn unanswered(&mut self, request: TransactionRequest, why: Silence) {
        self.events.push_back(SwitchEvent::Unanswered { request: Box::new(request), why });
    }

    pub(super) fn fall_silent(&mut self, key: &RequestKey, why: Silence) {
        if let Some(pending) = self.take(key) {
            self.unanswered(pending.request, why);
        }
    }
}
