//! How a refusal is said in the protocol.

use crate::{BadPath, Error};
use filexfer::Reason;
use russh_sftp::protocol::StatusCode;
use russh_sftp::server::StatusReply;
use std::io;

/// Why a request of the protocol has no other answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nothing more to read.
    End,
    /// No such request here.
    Unsupported,
    Error(Error),
}

impl From<Error> for Refusal {
    fn from(why: Error) -> Self {
        Self::Error(why)
    }
}

impl From<BadPath> for Refusal {
    fn from(why: BadPath) -> Self {
        Self::Error(why.into())
    }
}

impl From<Refusal> for StatusReply {
    fn from(refusal: Refusal) -> Self {
        let (status_code, message) = match refusal {
            Refusal::End => (StatusCode::Eof, "end of file".to_owned()),
            Refusal::Unsupported => (StatusCode::OpUnsupported, "that is not done here".to_owned()),
            Refusal::Error(why) => {
                let told = told(why);
                (code(told), format!("{told} ({})", told.code()))
            }
        };
        Self { status_code, error_message: Some(message), language_tag: Some("en".to_owned()) }
    }
}

/// What is told of a reason. Who is known, who takes part and what is granted to whom are one answer: a client learns of the
/// registry that this is not allowed, and nothing else.
fn told(why: Error) -> Error {
    match why {
        Error::Refused(
            Reason::BadAuth
            | Reason::UnknownParty
            | Reason::PartyDisabled
            | Reason::Loop
            | Reason::RouteNotAllowed
            | Reason::RequesterNotEntitled
            | Reason::FileMissing,
        ) => Error::Refused(Reason::RouteNotAllowed),
        // Of a disk that is not the client's it need not know more.
        Error::Io(_) => Error::Io(io::ErrorKind::Other),
        why => why,
    }
}

/// The codes of version 3 (draft-ietf-secsh-filexfer-02 §7).
const fn code(why: Error) -> StatusCode {
    match why {
        Error::Path(BadPath::Missing) => StatusCode::NoSuchFile,
        Error::Path(_) | Error::Denied | Error::Refused(Reason::RouteNotAllowed) => {
            StatusCode::PermissionDenied
        }
        _ => StatusCode::Failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn said(why: Error) -> (u32, String) {
        let reply = StatusReply::from(Refusal::from(why));
        (reply.status_code as u32, reply.error_message.unwrap())
    }

    #[test]
    fn a_refusal_tells_nothing_of_the_registry() {
        let about_registry = [
            Reason::BadAuth,
            Reason::UnknownParty,
            Reason::PartyDisabled,
            Reason::Loop,
            Reason::RouteNotAllowed,
            Reason::RequesterNotEntitled,
            Reason::FileMissing,
        ];
        let answers: BTreeSet<(u32, String)> =
            about_registry.iter().map(|reason| said(Error::Refused(*reason))).collect();
        let only = (3, "the route is not allowed (5044)".to_owned());
        assert_eq!(answers.into_iter().collect::<Vec<_>>(), [only]);
        // What the client can do something about is told as it is.
        let told = said(Error::Refused(Reason::TooLarge));
        assert_eq!(told, (4, "the file is too large (5049)".to_owned()));
        let told = said(Error::Io(io::ErrorKind::ReadOnlyFilesystem));
        assert_eq!(told, said(Error::Io(io::ErrorKind::Other)));
    }

    #[test]
    fn what_is_not_there_and_what_is_not_allowed_are_told_apart() {
        assert_eq!(said(BadPath::Missing.into()).0, 2);
        assert_eq!(said(BadPath::Traversal.into()).0, 3);
        assert_eq!(said(Error::Denied), (3, "that is not done here (9903)".to_owned()));
        assert_eq!(said(Error::Full).0, 4);
        assert_eq!(StatusReply::from(Refusal::End).status_code as u32, 1);
        assert_eq!(StatusReply::from(Refusal::Unsupported).status_code as u32, 8);
    }
}
