//! TLS: the right authority connects, everything else is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use interbank_store_postgres::{Cause, OpenError, Options, PostgresStore, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use testbed::Postgres;

struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_server_that_is_vouched_for_and_named_is_connected_to() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let key = KeyPair::generate().unwrap();
    let params =
        CertificateParams::new(vec!["db.bank.example".into(), "127.0.0.1".into()]).unwrap();
    let certificate = params.signed_by(&key, &right.issuer).unwrap().pem();
    let server = Postgres::options().fast().tls(certificate, key.serialize_pem()).start().unwrap();
    let options = |pem: &str| {
        let options = Options::from_url(&server.url()).unwrap().create(true);
        options.tls(Tls::Verify(pem.as_bytes().to_vec()))
    };
    let refusal = async |options| PostgresStore::open(options).await.map(drop);

    let store = PostgresStore::open(options(&right.pem)).await.unwrap();
    let sql = "SELECT bool_and(ssl), min(version) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
               WHERE application_name = 'interbank-store-postgres'";
    assert_eq!(server.sql(sql).unwrap(), "t|TLSv1.3");
    store.close().await;
    let tls = Err(OpenError::Cause(Cause::Tls));
    assert_eq!(refusal(options(&wrong.pem)).await, tls);

    // The name counts, not only the authority
    let named = |host: &str| {
        let url = format!(
            "host={host} hostaddr=127.0.0.1 port={} user=interbank dbname=postgres",
            server.port()
        );
        let options = Options::from_url(&url).unwrap();
        options.tls(Tls::Verify(right.pem.clone().into_bytes()))
    };
    assert_eq!(refusal(named("db.bank.example")).await, Ok(()));
    assert_eq!(refusal(named("db.other.example")).await, tls);

    // A server without TLS is not talked to in clear
    let plain = Postgres::options().fast().start().unwrap();
    let url = Options::from_url(&plain.url()).unwrap().create(true);
    assert_eq!(refusal(url.tls(Tls::Verify(right.pem.into_bytes()))).await, tls);
}

#[tokio::test]
async fn a_distant_server_without_an_authority_is_not_connected_to() {
    let distant = Options::from_url("postgresql://app@db.bank.example/bank").unwrap();
    assert_eq!(PostgresStore::open(distant.clone()).await.map(drop), Err(OpenError::TlsUndecided));
    let empty = distant.clone().tls(Tls::Verify(Vec::new()));
    assert_eq!(PostgresStore::open(empty).await.map(drop), Err(OpenError::Roots));
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let nonsense = distant.tls(Tls::Verify(nonsense.into()));
    assert_eq!(PostgresStore::open(nonsense).await.map(drop), Err(OpenError::Roots));
}
