//! What goes between the parties.

use interbank_standin::*;

/// Something between two parties.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    Request(Box<TransactionRequest>),
    Answer(Response),
    Advice(Box<Advice>),
    Outcome(RequestKey, AdviceOutcome),
    Probe(RequestKey),
    Echo(RequestKey),
}

impl Message {
    /// What tells it from others.
    pub(crate) fn mark(&self) -> [u64; 5] {
        let code = |code: ResponseCode| u64::from(u16::from_be_bytes(*code.as_bytes()));
        match self {
            Self::Request(request) => {
                [0, request.key.trace(), request.mti.is_repeat().into(), 0, 0]
            }
            Self::Answer(answer) => [1, answer.key.trace(), code(answer.code), 0, 0],
            Self::Advice(advice) => [
                2,
                advice.key.trace(),
                advice.key.class() as u64,
                advice.posting as u64,
                u64::from(advice.mti.is_repeat()) << 1 | u64::from(advice.maybe_applied),
            ],
            Self::Outcome(key, outcome) => {
                [3, key.trace(), key.class() as u64, (*outcome == AdviceOutcome::Posted).into(), 0]
            }
            Self::Probe(key) => [4, key.trace(), 0, 0, 0],
            Self::Echo(key) => [5, key.trace(), 0, 0, 0],
        }
    }

    pub(crate) fn is_probe(&self) -> bool {
        matches!(self, Self::Probe(_) | Self::Echo(_))
    }
}
