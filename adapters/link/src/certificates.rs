//! rustls: TLS 1.3 alone, certificates of both ends, and the names in them.

use crate::{Identity, OpenError};
use port::Peer;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::Arc;

/// Both sides of a handshake as this end does them: TLS 1.3, certificates of both ends, no resumption, no early data.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// For dialling.
    pub client: Arc<ClientConfig>,
    /// For being called.
    pub server: Arc<ServerConfig>,
}

impl Certificates {
    pub(crate) fn new(
        name: &Peer,
        identity: &Identity,
        roots: &[u8],
        protocol: &[u8],
    ) -> Result<Self, OpenError> {
        let roots = roots_of(roots)?;
        let chain = CertificateDer::pem_slice_iter(&identity.chain)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| OpenError::Identity)?;
        let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|_| OpenError::Identity)?;
        if !carries(chain.first().ok_or(OpenError::Identity)?, name)? {
            return Err(OpenError::IdentityName);
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider.clone())
                .build()
                .map_err(|_| OpenError::Roots)?;
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|_| OpenError::Identity)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain.clone(), key.clone_key())
            .map_err(|_| OpenError::Identity)?;
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(|_| OpenError::Identity)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|_| OpenError::Identity)?;
        client.alpn_protocols = vec![protocol.to_vec()];
        server.alpn_protocols = vec![protocol.to_vec()];
        // Tickets would let a peer come back without its certificate being looked at again.
        client.resumption = rustls::client::Resumption::disabled();
        server.send_tls13_tickets = 0;
        Ok(Self { client: Arc::new(client), server: Arc::new(server) })
    }
}

/// Whether a certificate carries a name; an error if no certificate can.
pub(crate) fn carries(certificate: &CertificateDer<'_>, name: &Peer) -> Result<bool, OpenError> {
    let name = server_name(name)?;
    let Ok(parsed) = ParsedCertificate::try_from(certificate) else { return Ok(false) };
    Ok(verify_server_name(&parsed, &name).is_ok())
}

/// The name as a certificate carries it.
pub(crate) fn server_name(name: &Peer) -> Result<ServerName<'static>, OpenError> {
    match ServerName::try_from(name.as_str()) {
        // An address of the internet is no name of somebody.
        Ok(name @ ServerName::DnsName(_)) => Ok(name.to_owned()),
        _ => Err(OpenError::Name),
    }
}

fn roots_of(pem: &[u8]) -> Result<Arc<RootCertStore>, OpenError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| OpenError::Roots)?;
        roots.add(certificate).map_err(|_| OpenError::Roots)?;
    }
    if roots.is_empty() { Err(OpenError::Roots) } else { Ok(Arc::new(roots)) }
}
