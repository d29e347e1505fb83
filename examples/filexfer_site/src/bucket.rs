//! A store in a bucket: what the configuration says of it, who it is asked as, and whether it answers.

use crate::config::{BucketFile, Config};
use crate::failure::Failure;
use crate::secrets;
use async_trait::async_trait;
use files_object_store::Roots;
use files_object_store::object_store::aws::{AmazonS3, AmazonS3Builder, S3CopyIfNotExists};
use files_object_store::object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService,
};
use files_object_store::object_store::list::{PaginatedListOptions, PaginatedListStore as _};
use files_object_store::object_store::path::Path as ObjectPath;
use files_object_store::object_store::prefix::PrefixStore;
use files_object_store::object_store::{self, ClientOptions, ObjectStore, RetryConfig};
use serde::Deserialize;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Opens the bucket of a store, and asks it once: what is wrong is said before anything starts.
pub(crate) async fn open(
    config: &Config,
    store: &str,
    bucket: &BucketFile,
) -> Result<Arc<dyn ObjectStore>, Failure> {
    let keys = Keys::read(config, store, bucket)?;
    let roots = if is_in_clear(&bucket.endpoint) {
        Roots::none()
    } else {
        let path = bucket.roots.as_ref().map_or_else(|| config.roots(), |path| config.path(path));
        let pem = std::fs::read(&path).map_err(|why| Failure::file(&path, why))?;
        Roots::new(&pem)
    };
    let roots = roots.map_err(|why| Failure::Run(format!("{store}: {why}")))?;
    let ask_once = RetryConfig { max_retries: 0, retry_timeout: ONCE, ..RetryConfig::default() };
    let status = Arc::new(AtomicU16::new(NO_ANSWER));
    let heard = Heard { roots: roots.clone(), status: Arc::clone(&status) };
    let probe = build(store, bucket, &keys, heard, ask_once)?;
    let at = bucket.prefix.as_deref().map(ObjectPath::from);
    let one = PaginatedListOptions { max_keys: Some(1), ..PaginatedListOptions::default() };
    if probe.list_paginated(at.as_ref().map(AsRef::as_ref), one).await.is_err() {
        let why = words(status.load(Ordering::Relaxed), bucket);
        return Err(Failure::Run(format!("{store}: {why}")));
    }
    let made = build(store, bucket, &keys, roots, RetryConfig::default())?;
    Ok(match at {
        Some(prefix) => Arc::new(PrefixStore::new(made, prefix)),
        None => Arc::new(made),
    })
}

fn build(
    store: &str,
    bucket: &BucketFile,
    keys: &Keys,
    connector: impl HttpConnector,
    retry: RetryConfig,
) -> Result<AmazonS3, Failure> {
    let mut builder = AmazonS3Builder::new()
        .with_endpoint(&bucket.endpoint)
        .with_allow_http(is_in_clear(&bucket.endpoint))
        .with_region(&bucket.region)
        .with_bucket_name(&bucket.bucket)
        .with_access_key_id(&keys.access_key_id)
        .with_secret_access_key(&keys.secret_access_key)
        .with_copy_if_not_exists(S3CopyIfNotExists::Multipart)
        .with_retry(retry)
        .with_http_connector(connector);
    if let Some(token) = &keys.token {
        builder = builder.with_token(token);
    }
    builder.build().map_err(|_| Failure::Run(format!("{store}: bucket or endpoint is not usable")))
}

/// One sentence for the status that the store answered with, if it did; of its own words nothing is passed on.
fn words(status: u16, bucket: &BucketFile) -> String {
    let BucketFile { bucket: name, endpoint, region, .. } = bucket;
    match status {
        NO_ANSWER if is_in_clear(endpoint) => format!("{endpoint} cannot be reached"),
        NO_ANSWER => format!("{endpoint} cannot be reached, or its certificate is not believed"),
        401 | 403 => format!("{endpoint} refuses the credentials for the bucket {name}"),
        404 => format!("there is no bucket {name} at {endpoint}"),
        _ => format!("{endpoint} does not serve the bucket {name} of the region {region} by S3"),
    }
}

/// Hears with which status a store answers: errors of `object_store` do not say it of a list.
#[derive(Clone, Debug)]
struct Heard {
    roots: Roots,
    status: Arc<AtomicU16>,
}

impl HttpConnector for Heard {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = self.roots.connect(options)?;
        Ok(HttpClient::new(Hearing { client, status: Arc::clone(&self.status) }))
    }
}

#[derive(Debug)]
struct Hearing {
    client: HttpClient,
    status: Arc<AtomicU16>,
}

#[async_trait]
impl HttpService for Hearing {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.client.execute(request).await?;
        self.status.store(answer.status().as_u16(), Ordering::Relaxed);
        Ok(answer)
    }
}

/// Who a bucket is asked as.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Keys {
    access_key_id: String,
    secret_access_key: String,
    /// Of a session, where the store gives such.
    token: Option<String>,
}

impl Keys {
    fn read(config: &Config, store: &str, bucket: &BucketFile) -> Result<Self, Failure> {
        if let Some(path) = &bucket.credentials {
            let path = config.path(path);
            let bytes = secrets::read(&path)?;
            let text = std::str::from_utf8(&bytes).unwrap_or_default();
            // What the parser says would quote the file.
            return toml::from_str(text).map_err(|_| {
                let why = "it does not hold access_key_id and secret_access_key, and nothing but them and token";
                Failure::file(&path, why)
            });
        }
        let Some(names) = &bucket.environment else {
            return Err(Failure::Usage(format!("{store} has no credentials")));
        };
        // The name is not said: it may be the secret itself, in the wrong place.
        let of = |what: &str, name: &String| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            value.ok_or_else(|| {
                let why = format!("the variable that environment names for {what} is not set");
                Failure::Run(format!("{store}: {why}"))
            })
        };
        let token = names.token.as_ref().map(|name| of("token", name)).transpose()?;
        Ok(Self {
            access_key_id: of("access_key_id", &names.access_key_id)?,
            secret_access_key: of("secret_access_key", &names.secret_access_key)?,
            token,
        })
    }
}

/// What is wrong with a bucket's part of the configuration, without asking anybody.
pub(crate) fn check(store: &str, bucket: &BucketFile) -> Result<(), String> {
    if bucket.credentials.is_some() == bucket.environment.is_some() {
        return Err(format!(
            "{store}: say where its credentials are, by credentials or by environment"
        ));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_name = bucket.bucket.starts_with(|first: char| first.is_ascii_alphanumeric());
    if !is_name || !bucket.bucket.bytes().all(is_plain) {
        return Err(format!("{store}: the bucket {:?} is none", bucket.bucket));
    }
    if let Some(prefix) = &bucket.prefix
        && filexfer::FileName::new(prefix).is_err()
    {
        return Err(format!("{store}: the prefix {prefix:?} is none"));
    }
    let endpoint = &bucket.endpoint;
    // Who it is asked as does not belong there.
    if endpoint.contains(['@', '?', '#']) {
        return Err(format!("{store}: the endpoint is more than https://host"));
    }
    if endpoint.starts_with("https://") || is_in_clear(endpoint) {
        return Ok(());
    }
    let why = "give https://host, or http:// to an address of this machine";
    Err(format!("{store}: the endpoint {endpoint:?} is none; {why}"))
}

/// Whether one of two stores would see the other's objects as its own.
pub(crate) fn overlap(one: &BucketFile, other: &BucketFile) -> bool {
    let place = |of: &BucketFile| {
        let prefix = of.prefix.as_deref().unwrap_or_default();
        let within = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let endpoint = of.endpoint.trim_end_matches('/').to_ascii_lowercase();
        format!("{endpoint}/{}/{within}", of.bucket)
    };
    let (one, other) = (place(one), place(other));
    one.starts_with(&other) || other.starts_with(&one)
}

/// Without TLS, which never leaves the machine.
fn is_in_clear(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("http://") else { return false };
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// No status that anybody answers with.
const NO_ANSWER: u16 = 0;
const ONCE: Duration = Duration::from_secs(10);
