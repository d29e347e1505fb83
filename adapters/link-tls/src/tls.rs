//! The transport: TCP, then TLS 1.3.

use crate::connection::Stream;
use crate::ended::ended;
use link::{Certificates, Ended, Limits, OpenError, Transport};
use port::Peer;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// TCP with TLS 1.3, one order for everything that is sent.
#[derive(Debug)]
pub struct Tls {
    certificates: RwLock<Certificates>,
    listener: Option<(TcpListener, SocketAddr)>,
}

impl Tls {
    fn certificates(&self) -> Certificates {
        self.certificates.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Transport for Tls {
    const PROTOCOL: &'static [u8] = b"interbank-link/1";
    const HAS_TWO_WAYS: bool = false;
    type Caller = TcpStream;
    type Connection = Stream;

    async fn open(
        certificates: &Certificates,
        listen: Option<SocketAddr>,
        _: &Limits,
    ) -> Result<Self, OpenError> {
        let refused = |why: io::Error| OpenError::Listen(why.kind());
        let mut listener = None;
        if let Some(at) = listen {
            let socket = TcpListener::bind(at).await.map_err(refused)?;
            let address = socket.local_addr().map_err(refused)?;
            listener = Some((socket, address));
        }
        Ok(Self { certificates: RwLock::new(certificates.clone()), listener })
    }

    fn renew(&self, certificates: &Certificates) -> Result<(), OpenError> {
        let mut held = self.certificates.write().unwrap_or_else(PoisonError::into_inner);
        *held = certificates.clone();
        Ok(())
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(|(_, address)| *address)
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        let (listener, _) = self.listener.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let (socket, _) = listener.accept().await?;
        Ok(socket)
    }

    async fn greet(&self, caller: TcpStream) -> Result<Stream, Ended> {
        caller.set_nodelay(true).map_err(|why| Ended::Io(why.kind()))?;
        let acceptor = TlsAcceptor::from(Arc::clone(&self.certificates().server));
        let stream = acceptor.accept(caller).await.map_err(|why| ended(&why))?;
        Ok(Stream(stream.into()))
    }

    async fn dial(&self, peer: &Peer, address: &str) -> Result<Stream, Ended> {
        let socket =
            TcpStream::connect(address).await.map_err(|why| Ended::Unreachable(why.kind()))?;
        socket.set_nodelay(true).map_err(|why| Ended::Io(why.kind()))?;
        let name = ServerName::try_from(peer.as_str().to_owned());
        let name = name.map_err(|_| Ended::Certificate)?;
        let connector = TlsConnector::from(Arc::clone(&self.certificates().client));
        let stream = connector.connect(name, socket).await.map_err(|why| ended(&why))?;
        Ok(Stream(stream.into()))
    }
}
