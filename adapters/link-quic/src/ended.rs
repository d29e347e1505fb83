//! What errors of QUIC say.

use link::Ended;
use quinn::{ConnectionError, ReadError, ReadExactError, TransportErrorCode, VarInt, WriteError};
use std::io;

/// What one end tells the other as it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    /// The name or the certificate is not accepted.
    Refused = 1,
    /// What came is not as it should be.
    Wrong = 2,
}

impl From<Farewell> for VarInt {
    fn from(farewell: Farewell) -> Self {
        Self::from_u32(farewell as u32)
    }
}

pub(crate) fn of_connection(why: &ConnectionError) -> Ended {
    match why {
        ConnectionError::VersionMismatch => Ended::Protocol,
        ConnectionError::TransportError(why) if is_about_certificates(why.code) => {
            Ended::Certificate
        }
        ConnectionError::TransportError(_) => Ended::Protocol,
        ConnectionError::ConnectionClosed(close) if alert(close.error_code).is_some() => {
            Ended::Refused
        }
        ConnectionError::ConnectionClosed(close)
            if close.error_code == TransportErrorCode::CONNECTION_REFUSED =>
        {
            Ended::Refused
        }
        ConnectionError::ApplicationClosed(close)
            if close.error_code == VarInt::from(Farewell::Refused) =>
        {
            Ended::Refused
        }
        ConnectionError::ConnectionClosed(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed => Ended::Closed,
        ConnectionError::TimedOut => Ended::Silent,
        ConnectionError::CidsExhausted => Ended::Io(io::ErrorKind::Other),
    }
}

pub(crate) fn of_read(why: &ReadExactError) -> Ended {
    match why {
        ReadExactError::FinishedEarly(_) => Ended::Closed,
        ReadExactError::ReadError(why) => of_read_part(why),
    }
}

pub(crate) fn of_read_part(why: &ReadError) -> Ended {
    match why {
        ReadError::ConnectionLost(why) => of_connection(why),
        ReadError::Reset(_) | ReadError::ClosedStream => Ended::Closed,
        _ => Ended::Protocol,
    }
}

pub(crate) fn of_write(why: &WriteError) -> Ended {
    match why {
        WriteError::ConnectionLost(why) => of_connection(why),
        WriteError::Stopped(_) | WriteError::ClosedStream => Ended::Closed,
        WriteError::ZeroRttRejected => Ended::Protocol,
    }
}

/// What an error of a stream says, as `std` knows it.
pub(crate) fn of_io(why: &io::Error) -> Ended {
    let inner = why.get_ref();
    if let Some(why) = inner.and_then(|inner| inner.downcast_ref::<ReadError>()) {
        return of_read_part(why);
    }
    if let Some(why) = inner.and_then(|inner| inner.downcast_ref::<WriteError>()) {
        return of_write(why);
    }
    match why.kind() {
        io::ErrorKind::UnexpectedEof => Ended::Closed,
        kind => Ended::Io(kind),
    }
}

/// The alert of TLS in a code of QUIC (RFC 9001 §4.8).
fn alert(code: TransportErrorCode) -> Option<u8> {
    let code = u64::from(code);
    (code >> 8 == 1).then_some(code.to_be_bytes()[7])
}

/// Alerts about the other end's certificate (RFC 8446 §6.2): `bad_certificate` to `certificate_unknown`, `unknown_ca`,
/// `access_denied`, `decrypt_error` (a signature that is wrong), `certificate_required`.
fn is_about_certificates(code: TransportErrorCode) -> bool {
    matches!(alert(code), Some(42..=46 | 48 | 49 | 51 | 116))
}
