//! TLS to a store that speaks S3, by rustls with ring and by roots that are given.

use crate::OpenError;
use object_store::ClientOptions;
use object_store::client::{HttpClient, HttpConnector};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// Connects to a store whose certificate one of these authorities has issued; the machine's own are not believed. Without it
/// `object_store` looks for a provider of cryptography that is not there.
///
/// ```no_run
/// # use interbank_files_object_store::{Roots, object_store::aws::{AmazonS3Builder, S3CopyIfNotExists}};
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let store = AmazonS3Builder::new()
///     .with_endpoint("https://objects.hq.example")
///     .with_region("hq")
///     .with_bucket_name("settlement")
///     .with_access_key_id("filexfer")
///     .with_secret_access_key(std::fs::read_to_string("s3.key")?)
///     .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
///     .with_http_connector(Roots::new(&std::fs::read("network-ca.pem")?)?)
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Roots {
    config: ClientConfig,
}

impl Roots {
    /// From the certificates of the authorities (PEM).
    ///
    /// # Errors
    /// [`OpenError::Roots`]: they are none.
    pub fn new(pem: &[u8]) -> Result<Self, OpenError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| OpenError::Roots)?;
            roots.add(certificate).map_err(|_| OpenError::Roots)?;
        }
        if roots.is_empty() {
            return Err(OpenError::Roots);
        }
        Self::with(roots)
    }

    /// For a store in clear, on one machine: no authority is believed, and nobody can be reached over TLS.
    ///
    /// # Errors
    /// None that occurs.
    pub fn none() -> Result<Self, OpenError> {
        Self::with(RootCertStore::empty())
    }

    fn with(roots: RootCertStore) -> Result<Self, OpenError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| OpenError::Roots)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config })
    }
}

impl HttpConnector for Roots {
    /// Of the options, the timeouts of `object_store`'s own defaults count: 5 seconds to connect, 30 for an answer.
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(self.config.clone())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            .build();
        let client = client
            .map_err(|why| object_store::Error::Generic { store: "S3", source: Box::new(why) })?;
        Ok(HttpClient::new(client))
    }
}

const CONNECT: std::time::Duration = std::time::Duration::from_secs(5);
/// For one part of 8 MiB: the slowest line that this allows is 2.2 Mbit/s.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(30);
