//! What an error of a TLS stream says.

use link::Ended;
use std::io;

pub(crate) fn ended(why: &io::Error) -> Ended {
    let tls = why.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Ended::Certificate
        }
        Some(rustls::Error::AlertReceived(_)) => Ended::Refused,
        Some(_) => Ended::Protocol,
        None if why.kind() == io::ErrorKind::UnexpectedEof => Ended::Closed,
        None => Ended::Io(why.kind()),
    }
}
