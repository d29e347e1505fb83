//! What a backstage server has stored of its requests, and how far they are.

use crate::control::Standing;
use crate::rows::{self, TENANT};
use filexfer::{
    BackstageServer, JobId, Notice, NoticeKind, Reason, Request, SignedVerdict, SiteId, State,
    TransferId,
};
use port::{ReadSet, Row, Store, WireError};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// What a backstage server has stored: everything, or what there is of one id.
#[derive(Default)]
pub(super) struct Records {
    pub(super) requests: Vec<Request>,
    verdicts: BTreeMap<JobId, SignedVerdict>,
    pub(super) results: BTreeMap<JobId, Notice>,
    pub(super) arrivals: Vec<Notice>,
    /// The destination's application has it, and the destination signed that.
    pub(super) handed_over: BTreeMap<JobId, Notice>,
}

impl Records {
    pub(super) async fn read<S: Store>(store: &S) -> Result<Self, String> {
        let mut records = Self::default();
        for (_, row) in rows::all(store, rows::requests()).await? {
            records.add_request(&row)?;
        }
        for (_, row) in rows::all(store, rows::verdicts()).await? {
            records.add_verdict(&row)?;
        }
        for (_, row) in rows::all(store, BackstageServer::inbox(TENANT)).await? {
            records.add_notice(&row)?;
        }
        records.requests.sort_by_key(|request| request.made);
        Ok(records)
    }

    /// What there is of one id, and of the files that arrived under it, however much else is stored.
    pub(super) async fn of<S: Store>(
        store: &S,
        site: &SiteId,
        id: JobId,
        arrived: &[TransferId],
    ) -> Result<Self, String> {
        let mut records = Self::default();
        let keys = [super::row(rows::requests(), id)?, super::row(rows::verdicts(), id)?];
        let found = store.read(&ReadSet::points(keys)).await.map_err(|why| why.to_string())?;
        let [request, verdict] = &found.points[..] else {
            return Err("the store answers something else".into());
        };
        request.iter().try_for_each(|row| records.add_request(row))?;
        verdict.iter().try_for_each(|row| records.add_verdict(row))?;
        let asked = records.requests.first().map(Request::transfer).transpose();
        let asked = asked.map_err(damaged)?;
        let kinds = [NoticeKind::Result, NoticeKind::HandedOver];
        let told = asked.iter().flat_map(|of| kinds.map(|kind| kind.idempotency(of, site)));
        let arrivals = arrived.iter().map(|of| NoticeKind::Arrival.idempotency(of, site));
        let inbox = |key: [u8; 32]| BackstageServer::inbox(TENANT).raw(&key);
        let keys = told.chain(arrivals).map(inbox).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|why| why.to_string())?;
        let found = store.read(&ReadSet::points(keys)).await.map_err(|why| why.to_string())?;
        found.points.iter().flatten().try_for_each(|row| records.add_notice(row))?;
        Ok(records)
    }

    fn add_request(&mut self, row: &Row) -> Result<(), String> {
        self.requests.push(Request::parse(&row.value).map_err(damaged)?);
        Ok(())
    }

    fn add_verdict(&mut self, row: &Row) -> Result<(), String> {
        let signed = SignedVerdict::parse(&row.value).map_err(damaged)?;
        self.verdicts.insert(signed.verdict.id, signed);
        Ok(())
    }

    fn add_notice(&mut self, row: &Row) -> Result<(), String> {
        let notice = Notice::parse(&row.value).map_err(damaged)?;
        match notice.kind {
            NoticeKind::Result => {
                self.results.insert(notice.id, notice);
            }
            NoticeKind::Arrival => self.arrivals.push(notice),
            NoticeKind::HandedOver => {
                self.handed_over.insert(notice.id, notice);
            }
        }
        Ok(())
    }

    pub(super) fn stand(&self, id: &JobId) -> Stand {
        let verdict = self.verdicts.get(id).map(|signed| signed.verdict.outcome);
        let result = self.results.get(id).map(|notice| Stand::Over(notice.state));
        result.or(verdict.map(Stand::Judged)).unwrap_or(Stand::Asked)
    }

    pub(super) fn unanswered(&self) -> VecDeque<Request> {
        let is_open = |request: &&Request| {
            !self.verdicts.contains_key(&request.id) && !self.results.contains_key(&request.id)
        };
        self.requests.iter().filter(is_open).cloned().collect()
    }

    /// `waiting`: why arrivals are not taken yet.
    pub(super) fn describe(&self, waiting: &BTreeMap<JobId, String>) -> Value {
        let requests = self.requests.iter().map(|request| {
            let result = self.results.get(&request.id);
            let is_handed_over = self.handed_over.contains_key(&request.id);
            let stand = self.stand(&request.id).standing(is_handed_over);
            let Standing { state, code, why, is_over, .. } = stand;
            let file = result.and_then(|notice| notice.file);
            json!({
                "id": request.id.to_string(),
                "from": request.sender,
                "to": request.destination,
                "name": request.file.name,
                "made": request.made.to_string(),
                "state": state,
                "code": code,
                "why": why,
                "published_as": result.map(|notice| notice.name.as_str()).filter(|name| !name.is_empty()),
                "size": file.map(|(size, _)| size),
                "root": file.map(|(_, root)| crate::hex::text(&root)),
                "receipts": result.map_or(0, |notice| notice.receipts.len()),
                "is_handed_over": is_handed_over,
                "is_over": is_over,
            })
        });
        let arrivals = self.arrivals.iter().map(|notice| {
            json!({
                "id": notice.id.to_string(),
                "requester": notice.requester,
                "name": notice.name,
                "waits": waiting.get(&notice.id),
                "size": notice.file.map(|(size, _)| size),
                "root": notice.file.map(|(_, root)| crate::hex::text(&root)),
            })
        });
        json!({
            "requests": requests.collect::<Vec<Value>>(),
            "arrivals": arrivals.collect::<Vec<Value>>(),
        })
    }
}

/// How far a request is.
#[derive(Clone, Copy)]
pub(super) enum Stand {
    Asked,
    Judged(Result<(), Reason>),
    Over(State),
}

impl Stand {
    pub(super) fn standing(self, is_handed_over: bool) -> Standing {
        let (state, code, why) = match self {
            Self::Asked => ("asked", None, None),
            Self::Judged(Ok(())) => ("accepted", None, None),
            Self::Judged(Err(why)) => rows::words(State::Refused(why)),
            Self::Over(state) => rows::words(state),
        };
        let is_over = !matches!(self, Self::Asked | Self::Judged(Ok(())));
        Standing { state: state.into(), code, why, is_over, is_handed_over }
    }
}

fn damaged(why: WireError) -> String {
    format!("a stored row is damaged: {why}")
}
