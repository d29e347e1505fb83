//! The transport: QUIC (RFC 9000) with TLS 1.3 (RFC 9001).

use crate::connection::Connection;
use crate::ended::of_connection;
use crate::tuning::{socket, transport};
use link::{Certificates, Ended, Limits, OpenError, Transport};
use port::Peer;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime, TransportConfig};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// QUIC, control and bulk in streams of their own.
#[derive(Debug)]
pub struct Quic {
    listener: Option<(Endpoint, SocketAddr)>,
    dialler: Mutex<Dialler>,
    limits: Limits,
}

/// What dials: a socket for each kind of address, made when there is one to dial.
#[derive(Debug)]
struct Dialler {
    config: ClientConfig,
    v4: Option<Endpoint>,
    v6: Option<Endpoint>,
}

impl Quic {
    /// What to dial an address with.
    fn dialler(&self, address: SocketAddr) -> io::Result<(Endpoint, ClientConfig)> {
        let mut dialler = self.held();
        let Dialler { config, v4, v6 } = &mut *dialler;
        let (place, any) = match address {
            SocketAddr::V4(_) => (v4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))),
            SocketAddr::V6(_) => (v6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))),
        };
        let endpoint = match place {
            Some(endpoint) => endpoint.clone(),
            None => place.insert(endpoint(any, None)?).clone(),
        };
        Ok((endpoint, config.clone()))
    }

    fn held(&self) -> MutexGuard<'_, Dialler> {
        self.dialler.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for Quic {
    const PROTOCOL: &'static [u8] = b"interbank-link-quic/1";
    const HAS_TWO_WAYS: bool = true;
    type Caller = quinn::Incoming;
    type Connection = Connection;

    async fn open(
        certificates: &Certificates,
        listen: Option<SocketAddr>,
        limits: &Limits,
    ) -> Result<Self, OpenError> {
        let config = client(certificates, limits)?;
        let mut listener = None;
        if let Some(at) = listen {
            let refused = |why: io::Error| OpenError::Listen(why.kind());
            let called = endpoint(at, Some(server(certificates, limits)?)).map_err(refused)?;
            let address = called.local_addr().map_err(refused)?;
            listener = Some((called, address));
        }
        let dialler = Mutex::new(Dialler { config, v4: None, v6: None });
        Ok(Self { listener, dialler, limits: *limits })
    }

    fn renew(&self, certificates: &Certificates) -> Result<(), OpenError> {
        let (config, called) =
            (client(certificates, &self.limits)?, server(certificates, &self.limits)?);
        self.held().config = config;
        if let Some((listener, _)) = &self.listener {
            listener.set_server_config(Some(called));
        }
        Ok(())
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(|(_, address)| *address)
    }

    async fn accept(&self) -> io::Result<quinn::Incoming> {
        let (listener, _) = self.listener.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        loop {
            let caller = listener.accept().await.ok_or(io::ErrorKind::NotConnected)?;
            // Many at once may be one who invents addresses: then each has to show that it gets what is sent to it.
            let is_busy = listener.open_connections() >= self.limits.handshakes_max;
            if !is_busy || caller.remote_address_validated() {
                return Ok(caller);
            }
            // It has no other answer than that the caller comes again.
            let _ = caller.retry();
        }
    }

    async fn greet(&self, caller: quinn::Incoming) -> Result<Connection, Ended> {
        let connecting = caller.accept().map_err(|why| of_connection(&why))?;
        let connection = connecting.await.map_err(|why| at_first(&why))?;
        Ok(Connection::new(connection, false))
    }

    async fn dial(&self, peer: &Peer, address: &str) -> Result<Connection, Ended> {
        let unreachable = |why: io::Error| Ended::Unreachable(why.kind());
        let found: Vec<SocketAddr> =
            tokio::net::lookup_host(address).await.map_err(unreachable)?.collect();
        // Nobody says that nobody is there: each address gets its share of the time.
        let share = u32::try_from(found.len()).unwrap_or(u32::MAX).max(1);
        let share = Duration::from_millis(self.limits.handshake_ms) / share;
        let mut last = Ended::Unreachable(io::ErrorKind::NotFound);
        for address in found {
            let connect = async {
                let (endpoint, config) = self.dialler(address).map_err(unreachable)?;
                let connecting = endpoint.connect_with(config, address, peer.as_str());
                let connecting =
                    connecting.map_err(|_| Ended::Unreachable(io::ErrorKind::AddrNotAvailable))?;
                connecting.await.map_err(|why| at_first(&why))
            };
            match timeout(share, connect).await.unwrap_or(Err(Ended::Timeout)) {
                Ok(connection) => return Ok(Connection::new(connection, true)),
                Err(why) => last = why,
            }
        }
        Err(last)
    }
}

/// Before the handshake is over, silence is one that takes too long.
fn at_first(why: &quinn::ConnectionError) -> Ended {
    match of_connection(why) {
        Ended::Silent => Ended::Timeout,
        other => other,
    }
}

fn endpoint(at: SocketAddr, called: Option<ServerConfig>) -> io::Result<Endpoint> {
    Endpoint::new(EndpointConfig::default(), called, socket(at)?, Arc::new(TokioRuntime))
}

fn client(certificates: &Certificates, limits: &Limits) -> Result<ClientConfig, OpenError> {
    let crypto = QuicClientConfig::try_from(Arc::clone(&certificates.client));
    let mut config = ClientConfig::new(Arc::new(crypto.map_err(|_| OpenError::Identity)?));
    config.transport_config(shared(transport(limits, false)));
    Ok(config)
}

fn server(certificates: &Certificates, limits: &Limits) -> Result<ServerConfig, OpenError> {
    let crypto = QuicServerConfig::try_from(Arc::clone(&certificates.server));
    let mut config = ServerConfig::with_crypto(Arc::new(crypto.map_err(|_| OpenError::Identity)?));
    config.transport_config(shared(transport(limits, true)));
    // Who has come and is not accepted yet waits in memory.
    config.max_incoming(limits.handshakes_max.saturating_mul(4));
    config.incoming_buffer_size_total(INCOMING_BYTES);
    Ok(config)
}

fn shared(config: TransportConfig) -> Arc<TransportConfig> {
    Arc::new(config)
}

/// What callers may have sent before they are looked at, all together.
const INCOMING_BYTES: u64 = 4 << 20;
