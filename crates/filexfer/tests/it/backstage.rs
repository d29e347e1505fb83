use crate::asking::{NOW, party};
use crate::place::site;
use bytes::Bytes;
use interbank_filexfer::*;
use port::outbox::Entry;
use port::{Committed, Effect, Input, Machine as _, Peer, Row, Rows, Tenant, Ticket, Version};

struct Backstage {
    machine: BackstageServer,
    notice: Notice,
}

impl Backstage {
    fn new() -> Self {
        let machine = BackstageServer::new(Tenant::new(1), &party("r1"), 2_000).unwrap();
        let notice = Notice {
            kind: NoticeKind::Result,
            transfer: TransferId([1; 16]),
            id: JobId([2; 16]),
            requester: "b1".into(),
            state: State::Failed(Failure::GaveUp),
            file: None,
            name: String::new(),
            receipts: Vec::new(),
        };
        Self { machine, notice }
    }

    /// The forwarding server tells it; the fate of what is written then.
    fn told(&mut self, fate: Committed) {
        let mut content = Vec::new();
        self.notice.encode(&mut content).unwrap();
        let idempotency = self.notice.kind.idempotency(&self.notice.transfer, &site("s1"));
        let to = Peer::new("b1").unwrap();
        let entry = Entry { idempotency, to, created: NOW, content: content.into() };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes).unwrap();
        let frame = Message::Notice(Bytes::from(bytes)).to_frame().unwrap();
        let from = Peer::new("r1").unwrap();
        self.machine.handle(NOW, Input::Frame { from: &from, bytes: &frame }).unwrap();
        let Some(Effect::Commit { ticket, .. }) = self.machine.poll_effect() else { panic!() };
        self.machine.handle(NOW, Input::Committed { ticket, fate }).unwrap();
    }

    fn asks(&mut self) -> Ticket {
        let Some(Effect::Read { ticket, .. }) = self.machine.poll_effect() else { panic!() };
        ticket
    }

    fn finds(&mut self, ticket: Ticket, is_there: bool) {
        let mut value = Vec::new();
        self.notice.encode(&mut value).unwrap();
        let row = is_there.then(|| Row { value: value.into(), version: Version::new(1) });
        let rows = Rows { points: vec![row, None], scans: Vec::new() };
        self.machine.handle(NOW, Input::Rows { ticket, rows: Some(rows) }).unwrap();
    }

    fn answers(&mut self) -> bool {
        matches!(self.machine.poll_effect(), Some(Effect::Send { .. }))
    }

    fn tells(&mut self) -> bool {
        let event = self.machine.poll_event();
        assert!(
            event
                .as_ref()
                .is_none_or(|event| *event == BackstageEvent::Noticed(self.notice.clone()))
        );
        event.is_some()
    }
}

#[test]
fn a_notice_is_told_once_and_answered_each_time() {
    let mut backstage = Backstage::new();
    backstage.told(Committed::Applied(Version::new(1)));
    assert!(backstage.answers() && backstage.tells());
    backstage.told(Committed::Conflict);
    let asked = backstage.asks();
    backstage.finds(asked, true);
    assert!(backstage.answers() && !backstage.tells());
}

#[test]
fn a_notice_that_the_store_did_not_take_is_neither_told_nor_answered() {
    let mut backstage = Backstage::new();
    backstage.told(Committed::Conflict);
    let asked = backstage.asks();
    backstage.finds(asked, false);
    assert!(!backstage.answers() && !backstage.tells());
    backstage.told(Committed::Applied(Version::new(1)));
    assert!(backstage.answers() && backstage.tells());
}

#[test]
fn a_notice_that_was_written_without_an_answer_is_told_when_it_is_found() {
    let mut backstage = Backstage::new();
    backstage.told(Committed::Unknown);
    assert!(!backstage.answers() && !backstage.tells());
    for is_first in [true, false] {
        backstage.told(Committed::Conflict);
        let asked = backstage.asks();
        backstage.finds(asked, true);
        assert!(backstage.answers());
        assert_eq!(backstage.tells(), is_first);
    }
}
