//! What QUIC leaves: a file through one stream of a bare connection of quinn, with large windows, neither verified nor receipted,
//! and forced to disk. Each end has a runtime of its own, as two processes would.

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, EndpointConfig, ServerConfig, TokioRuntime};
use quinn::{TransportConfig, VarInt};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::RootCertStore;
use rustls::pki_types::PrivatePkcs8KeyDer;
use socket2::{Domain, Socket, Type};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

pub(crate) struct BareQuinn {
    here: Runtime,
    there: Runtime,
    from: Connection,
    to: Connection,
    _ends: [Endpoint; 2],
}

impl BareQuinn {
    pub(crate) fn new() -> Self {
        let (here, there) = (Runtime::new().unwrap(), Runtime::new().unwrap());
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let chain = vec![cert.der().clone()];
        let mut server = ServerConfig::with_single_cert(chain, key.into()).unwrap();
        server.transport_config(transport());
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
        let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        client.transport_config(transport());
        let called = there.block_on(async { endpoint(Some(server)) });
        let calling = here.block_on(async { endpoint(None) });
        let address = called.local_addr().unwrap();
        let accepted = {
            let called = called.clone();
            there.spawn(async move { called.accept().await.unwrap().await.unwrap() })
        };
        let from = here.block_on(async {
            calling.connect_with(client, address, NAME).unwrap().await.unwrap()
        });
        let to = there.block_on(accepted).unwrap();
        Self { here, there, from, to, _ends: [called, calling] }
    }

    pub(crate) fn copy(&self, source: &Path, target: &Path) {
        let (mut source, mut target) = (File::open(source).unwrap(), File::create(target).unwrap());
        let (from, to) = (self.from.clone(), self.to.clone());
        let received = self.there.spawn(async move {
            let mut stream = to.accept_uni().await.unwrap();
            while let Some(chunk) = stream.read_chunk(usize::MAX, true).await.unwrap() {
                target.write_all(&chunk.bytes).unwrap();
            }
            target.sync_all().unwrap();
        });
        let sent = self.here.spawn(async move {
            let mut stream = from.open_uni().await.unwrap();
            let mut buffer = vec![0; 256 << 10];
            loop {
                let read = source.read(&mut buffer).unwrap();
                if read == 0 {
                    break;
                }
                stream.write_all(&buffer[..read]).await.unwrap();
            }
            stream.finish().unwrap();
        });
        self.here.block_on(sent).unwrap();
        self.there.block_on(received).unwrap();
    }
}

fn endpoint(server: Option<ServerConfig>) -> Endpoint {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    // As link-quic asks for it; the system may give less.
    let _ = socket.set_recv_buffer_size(4 << 20);
    let _ = socket.set_send_buffer_size(4 << 20);
    socket.bind(&at.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let socket = UdpSocket::from(socket);
    Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(TokioRuntime)).unwrap()
}

fn transport() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    config.stream_receive_window(VarInt::from_u32(WINDOW));
    config.receive_window(VarInt::from_u32(2 * WINDOW));
    config.send_window(u64::from(2 * WINDOW));
    // between two copies the others have their turn
    config.keep_alive_interval(Some(Duration::from_secs(5)));
    Arc::new(config)
}

const NAME: &str = "copy";
const WINDOW: u32 = 16 << 20;
