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

    fn frame(&self) -> (Peer, Bytes) {
        let mut content = Vec::new();
        self.notice.encode(&mut content).unwrap();
        let idempotency = self.notice.kind.idempotency(&self.notice.transfer, &site("s1"));
        let to = Peer::new("b1").unwrap();
        let entry = Entry { idempotency, to, created: NOW, content: content.into() };
        let mut bytes = Vec::new();
        entry.encode(&mut bytes).unwrap();
        let frame = Message::Notice(Bytes::from(bytes)).to_frame().unwrap();
        (Peer::new("r1").unwrap(), frame)
    }

    /// The forwarding server tells it; the fate of what is written then.
    fn told(&mut self, fate: Committed) {
        let (from, frame) = self.frame();
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

/// Arrivals at a backstage server that signs for what its application has taken.
mod arrivals {
    use super::*;
    use crate::asking::key;
    use port::{KeyAnswer, KeyId};

    fn arriving(mut backstage: Backstage) -> Backstage {
        let mut batch = ReceiptBatch::new();
        let (id, request, verdict, root) = (JobId([2; 16]), [2; 32], [3; 32], [4; 32]);
        let (stage, party, size, at) = (Stage::Verified, party("r1"), 9, NOW);
        let (content, follows) = (None, None);
        let receipt =
            Receipt { stage, party, id, request, verdict, root, size, at, content, follows };
        batch.push(receipt).unwrap();
        let signature = key("r1").sign(&batch.head().to_sign());
        let mut bytes = Vec::new();
        batch.sign(1, signature)[0].encode(&mut bytes).unwrap();
        backstage.notice.kind = NoticeKind::Arrival;
        backstage.notice.receipts = vec![bytes.into()];
        backstage
    }

    fn with_receipts() -> Backstage {
        let mut backstage = Backstage::new();
        let machine = backstage.machine.clone();
        backstage.machine = machine.with_receipts(party("b1"), (KeyId(1), 1), false);
        arriving(backstage)
    }

    fn finds_no_receipt(backstage: &mut Backstage) {
        let asked = backstage.asks();
        backstage.finds(asked, true);
    }

    /// The forwarding server tells an arrival once more.
    fn told_again(backstage: &mut Backstage, is_held: bool) {
        if is_held {
            // It is looked for at once, and not written.
            let (from, frame) = backstage.frame();
            backstage.machine.handle(NOW, Input::Frame { from: &from, bytes: &frame }).unwrap();
        } else {
            backstage.told(Committed::Conflict);
        }
        finds_no_receipt(backstage);
    }

    /// The application has taken an arrival, and the key holder is asked for a signature.
    fn handed_over() -> (Backstage, Ticket) {
        let mut backstage = with_receipts();
        backstage.told(Committed::Applied(Version::new(1)));
        assert!(backstage.tells() && !backstage.answers());
        let notice = backstage.notice.clone();
        backstage.machine.hand_over(NOW, &notice, Some([7; 32])).unwrap();
        let Some(Effect::Ask { ticket, .. }) = backstage.machine.poll_effect() else { panic!() };
        (backstage, ticket)
    }

    #[test]
    fn an_arrival_that_a_new_machine_finds_is_told_to_the_application_once() {
        let mut backstage = with_receipts();
        told_again(&mut backstage, false);
        let event = backstage.machine.poll_event();
        assert_eq!(event, Some(BackstageEvent::NotHandedOver(backstage.notice.clone())));
        assert!(!backstage.answers());
        // It has it, and is told no more of it.
        told_again(&mut backstage, true);
        assert_eq!(backstage.machine.poll_event(), None);
        // Until it says that it cannot take it now.
        backstage.machine.put_off(&backstage.notice.transfer);
        told_again(&mut backstage, false);
        let event = backstage.machine.poll_event();
        assert_eq!(event, Some(BackstageEvent::NotHandedOver(backstage.notice.clone())));
    }

    #[test]
    fn a_hand_over_without_a_signature_is_asked_for_again() {
        let (mut backstage, ticket) = handed_over();
        let notice = backstage.notice.clone();
        backstage.machine.handle(NOW, Input::Keys { ticket, answers: None }).unwrap();
        assert_eq!(backstage.machine.poll_event(), None);
        told_again(&mut backstage, false);
        let event = backstage.machine.poll_event();
        assert_eq!(event, Some(BackstageEvent::NotHandedOver(notice)));
    }

    #[test]
    fn a_receipt_that_was_stored_without_an_answer_is_told_when_it_is_found() {
        let (mut backstage, ticket) = handed_over();
        let notice = backstage.notice.clone();
        let answers = Some(vec![KeyAnswer::Signature([0; 64])]);
        backstage.machine.handle(NOW, Input::Keys { ticket, answers }).unwrap();
        let Some(Effect::Commit { ticket, .. }) = backstage.machine.poll_effect() else { panic!() };
        let fate = Committed::Unknown;
        backstage.machine.handle(NOW, Input::Committed { ticket, fate }).unwrap();
        assert_eq!(backstage.machine.poll_event(), None);
        backstage.told(Committed::Conflict);
        let ticket = backstage.asks();
        let value = Bytes::from_static(b"receipt");
        let row = Row { value: value.clone(), version: Version::new(1) };
        let rows = Rows { points: vec![Some(row.clone()), Some(row)], scans: Vec::new() };
        backstage.machine.handle(NOW, Input::Rows { ticket, rows: Some(rows) }).unwrap();
        let event = backstage.machine.poll_event();
        assert_eq!(event, Some(BackstageEvent::HandedOver { transfer: notice.transfer }));
        assert!(backstage.answers());
    }

    #[test]
    fn a_hand_over_is_told_when_its_receipt_is_stored() {
        let (mut backstage, ticket) = handed_over();
        let notice = backstage.notice.clone();
        let answers = Some(vec![KeyAnswer::Signature([0; 64])]);
        backstage.machine.handle(NOW, Input::Keys { ticket, answers }).unwrap();
        let Some(Effect::Commit { ticket, .. }) = backstage.machine.poll_effect() else { panic!() };
        assert_eq!(backstage.machine.poll_event(), None);
        let fate = Committed::Applied(Version::new(2));
        backstage.machine.handle(NOW, Input::Committed { ticket, fate }).unwrap();
        let event = backstage.machine.poll_event();
        assert_eq!(event, Some(BackstageEvent::HandedOver { transfer: notice.transfer }));
        assert!(backstage.answers());
    }
}
