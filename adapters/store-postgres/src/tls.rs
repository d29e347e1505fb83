//! rustls under the driver: encryption with a verified server, or none.

use crate::{OpenError, Options, Tls};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

/// Makes one TLS session for each connection, where TLS is on.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    /// `None`: no TLS; the driver's mode is then `disable`, and it never asks.
    config: Option<Arc<ClientConfig>>,
}

impl Connector {
    pub(crate) fn new(options: &Options) -> Result<Self, OpenError> {
        let config = match &options.tls {
            Tls::Off => None,
            Tls::ByPlace if is_local(options) => None,
            Tls::ByPlace => return Err(OpenError::TlsUndecided),
            Tls::Verify(pem) => Some(Arc::new(verifying(pem)?)),
        };
        Ok(Self { config })
    }

    pub(crate) const fn mode(&self) -> SslMode {
        if self.config.is_some() { SslMode::Require } else { SslMode::Disable }
    }
}

impl<S> MakeTlsConnect<S> for Connector
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Session<S>;
    type TlsConnect = Handshake;
    type Error = TlsError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Handshake, TlsError> {
        // Without TLS the driver asks for a connector all the same, with whatever name it has
        let Some(config) = &self.config else { return Ok(Handshake(None)) };
        let name = ServerName::try_from(domain).map_err(|_| TlsError)?.to_owned();
        Ok(Handshake(Some((Arc::clone(config), name))))
    }
}

/// One handshake to come.
#[derive(Debug)]
pub(crate) struct Handshake(Option<(Arc<ClientConfig>, ServerName<'static>)>);

impl<S> TlsConnect<S> for Handshake
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Session<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Session<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let Some((config, name)) = self.0 else { return Err(io::Error::other(TlsError)) };
            tokio_rustls::TlsConnector::from(config).connect(name, stream).await.map(Session)
        })
    }
}

/// A stream inside TLS.
#[derive(Debug)]
pub(crate) struct Session<S>(tokio_rustls::client::TlsStream<S>);

/// The certificate is verified, so that binding the password to it would add nothing against a server in between.
impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Session<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Session<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Session<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// The host has no name that a certificate could carry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TlsError;

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host has no name that a certificate could carry")
    }
}

impl core::error::Error for TlsError {}

fn verifying(pem: &[u8]) -> Result<ClientConfig, OpenError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| OpenError::Roots)?;
        roots.add(certificate).map_err(|_| OpenError::Roots)?;
    }
    if roots.is_empty() {
        return Err(OpenError::Roots);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| OpenError::Roots)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Whether every address of the server is on this machine. A name may resolve to anything, `localhost` apart (RFC 6761
/// §6.3).
fn is_local(options: &Options) -> bool {
    let addresses = options.config.get_hostaddrs();
    let hosts = options.config.get_hosts();
    if !addresses.is_empty() {
        return addresses.iter().all(std::net::IpAddr::is_loopback);
    }
    hosts.iter().all(|host| match host {
        Host::Tcp(name) => {
            name == "localhost"
                || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}
