//! The SSH side: who gets in, and that it gets SFTP and nothing else.

use crate::desk::{Desk, Event};
use crate::guard::Guard;
use crate::session::Session;
use crate::{Client, Limits, OpenError, Options};
use filexfer::PartyId;
use russh::keys::{Algorithm, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, Session as Connection,
    VerifiedPublicKey,
};
use russh::{
    Channel, ChannelId, MethodKind, MethodSet, Preferred, Pty, SshId, cipher, compression, kex, mac,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// A server for clients that speak only SFTP.
pub struct SftpServer<D> {
    listener: TcpListener,
    config: Arc<Config>,
    house: Arc<House<D>>,
}

/// What all connections share.
struct House<D> {
    desk: Arc<D>,
    clients: BTreeMap<PartyId, Client>,
    limits: Limits,
    /// For who has not said yet who it is, and for who has.
    logins: Arc<Semaphore>,
    rooms: Arc<Semaphore>,
    /// Connections by client.
    present: Mutex<BTreeMap<PartyId, usize>>,
}

impl<D: Desk> SftpServer<D> {
    /// Listens.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(options: Options, desk: D) -> Result<Self, OpenError> {
        let Options { listen, host_key, clients, limits } = options;
        limits.check()?;
        let mut keys: Vec<String> = Vec::new();
        for client in clients.values() {
            if client.keys.is_empty() {
                return Err(OpenError::ClientKeys);
            }
            for key in &client.keys {
                let text = key.0.to_openssh().map_err(|_| OpenError::ClientKey)?;
                if keys.contains(&text) {
                    return Err(OpenError::ClientKeys);
                }
                keys.push(text);
            }
        }
        let listener = TcpListener::bind(listen).await;
        let listener = listener.map_err(|why| OpenError::Listen(why.kind()))?;
        let house = House {
            desk: Arc::new(desk),
            clients,
            limits,
            logins: Arc::new(Semaphore::new(limits.connections_max)),
            rooms: Arc::new(Semaphore::new(limits.connections_max)),
            present: Mutex::default(),
        };
        let config = Arc::new(config(&limits, host_key.0));
        Ok(Self { listener, config, house: Arc::new(house) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`OpenError::Listen`] if the operating system does not say.
    pub fn address(&self) -> Result<SocketAddr, OpenError> {
        self.listener.local_addr().map_err(|why| OpenError::Listen(why.kind()))
    }

    /// What stands behind it.
    pub fn desk(&self) -> Arc<D> {
        Arc::clone(&self.house.desk)
    }

    /// Serves until it is dropped; with it all connections end.
    pub async fn run(self) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
            };
            let Ok((stream, from)) = accepted else {
                // Out of descriptors: that passes.
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&self.house.logins).try_acquire_owned() else {
                self.house.desk.on_event(Event::Crowded { from });
                continue;
            };
            let (config, house) = (Arc::clone(&self.config), Arc::clone(&self.house));
            connections.spawn(serve(config, house, stream, from, permit));
        }
    }
}

/// One connection, until it ends or nobody has said in time who it is.
async fn serve<D: Desk>(
    config: Arc<Config>,
    house: Arc<House<D>>,
    stream: TcpStream,
    from: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    let Ok(door) = Door::of(&stream) else { return };
    let (enter, mut entered) = watch::channel(false);
    let login = Duration::from_millis(house.limits.login_ms);
    let visitor = Visitor {
        house,
        from,
        client: None,
        key: None,
        room: None,
        login: Some(permit),
        enter,
        channels: BTreeMap::new(),
    };
    let connection = async {
        // How it ended is nobody's business.
        if let Ok(running) = russh::server::run_stream(config, stream, visitor).await {
            let _ = running.await;
        }
    };
    let too_late = async {
        tokio::time::sleep(login).await;
        if entered.wait_for(|entered| *entered).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = connection => {}
        () = too_late => {}
    }
    drop(door);
}

/// Closes the socket whatever else still holds it.
struct Door(std::net::TcpStream);

impl Door {
    fn of(stream: &TcpStream) -> std::io::Result<Self> {
        Ok(Self(std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?)))
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // It may be closed already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Whoever is at the other end.
struct Visitor<D: Desk> {
    house: Arc<House<D>>,
    from: SocketAddr,
    client: Option<PartyId>,
    /// The key that was offered and not accepted.
    key: Option<PublicKey>,
    room: Option<OwnedSemaphorePermit>,
    login: Option<OwnedSemaphorePermit>,
    enter: watch::Sender<bool>,
    /// Channels that are open, until they are taken for SFTP.
    channels: BTreeMap<ChannelId, Option<Channel<Msg>>>,
}

impl<D: Desk> Visitor<D> {
    /// The party of a user name, if the key is one of its own.
    fn party(&self, user: &str, key: &PublicKey) -> Option<PartyId> {
        let (party, client) = self.house.clients.get_key_value(user)?;
        let is_own = client.keys.iter().any(|own| own.0.key_data() == key.key_data());
        is_own.then(|| party.clone())
    }

    fn refuse(&mut self, user: &str, key: &PublicKey) -> Auth {
        // Asked about and then signed for, it is one attempt.
        if self.key.as_ref() != Some(key) {
            self.key = Some(key.clone());
            let user = PartyId::new(user).ok();
            self.house.desk.on_event(Event::Stranger { user, from: self.from });
        }
        Auth::reject()
    }

    /// Counts a client in, if there is room for it.
    fn enter(&mut self, client: PartyId) -> bool {
        let Ok(room) = Arc::clone(&self.house.rooms).try_acquire_owned() else { return false };
        let mut present = self.house.present.lock().unwrap_or_else(PoisonError::into_inner);
        let many = present.entry(client.clone()).or_default();
        if *many >= self.house.limits.connections_per_client_max {
            return false;
        }
        *many += 1;
        drop(present);
        self.room = Some(room);
        self.client = Some(client);
        true
    }
}

impl<D: Desk> Drop for Visitor<D> {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let mut present = self.house.present.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(many) = present.get_mut(&client) {
            *many -= 1;
            if *many == 0 {
                present.remove(&client);
            }
        }
        drop(present);
        self.house.desk.on_event(Event::Went { client, from: self.from });
    }
}

impl<D: Desk> Handler for Visitor<D> {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        match self.party(user, offer.public_key) {
            Some(_) => Ok(Auth::Accept),
            None => Ok(self.refuse(user, offer.public_key)),
        }
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        let Some(client) = self.party(user, key.public_key) else {
            return Ok(self.refuse(user, key.public_key));
        };
        if self.client.is_some() || !self.enter(client) {
            self.house.desk.on_event(Event::Crowded { from: self.from });
            return Ok(Auth::reject());
        }
        Ok(Auth::Accept)
    }

    async fn auth_succeeded(&mut self, _: &mut Connection) -> Result<(), russh::Error> {
        self.login = None;
        self.enter.send_replace(true);
        if let Some(client) = self.client.clone() {
            self.house.desk.on_event(Event::Came { client, from: self.from });
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Connection,
    ) -> Result<(), russh::Error> {
        // What is not accepted is refused.
        if self.channels.len() < self.house.limits.channels_max {
            self.channels.insert(channel.id(), Some(channel));
            reply.accept().await;
        }
        Ok(())
    }

    /// The client is done: `scp` wants to hear that the subsystem ended well.
    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        connection: &mut Connection,
    ) -> Result<(), russh::Error> {
        match self.channels.get(&channel) {
            Some(None) => connection.exit_status_request(channel, 0),
            _ => Ok(()),
        }
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _: &mut Connection,
    ) -> Result<(), russh::Error> {
        self.channels.remove(&channel);
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        connection: &mut Connection,
    ) -> Result<(), russh::Error> {
        let client = self.client.as_ref().and_then(|party| self.house.clients.get_key_value(party));
        let channel = self.channels.get_mut(&id).filter(|_| name == "sftp").and_then(Option::take);
        let (Some((party, client)), Some(channel)) = (client, channel) else {
            return connection.channel_failure(id);
        };
        connection.channel_success(id)?;
        let Limits { packet_bytes_max, handles_max, .. } = self.house.limits;
        let (mailbox, desk) = (Arc::clone(&client.mailbox), Arc::clone(&self.house.desk));
        let session = Session::new(party.clone(), mailbox, desk, handles_max);
        let stream = Guard::new(channel.into_stream(), packet_bytes_max);
        let config = russh_sftp::server::Config { max_client_packet_len: packet_bytes_max };
        russh_sftp::server::run_with_config(stream, session, config).await;
        Ok(())
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        connection: &mut Connection,
    ) -> Result<(), russh::Error> {
        connection.channel_failure(channel)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        connection: &mut Connection,
    ) -> Result<(), russh::Error> {
        connection.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: &str,
        connection: &mut Connection,
    ) -> Result<(), russh::Error> {
        connection.channel_failure(channel)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        connection: &mut Connection,
    ) -> Result<(), russh::Error> {
        connection.channel_failure(channel)
    }

    async fn agent_request(
        &mut self,
        channel: ChannelId,
        connection: &mut Connection,
    ) -> Result<bool, russh::Error> {
        connection.channel_failure(channel)?;
        Ok(false)
    }
}

fn config(limits: &Limits, host_key: russh::keys::PrivateKey) -> Config {
    Config {
        // The version of a library is nobody's business.
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-interbank")),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: REJECTION,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![host_key],
        window_size: limits.window_bytes,
        maximum_packet_size: SSH_PACKET_BYTES,
        channel_buffer_size: CHANNEL_MESSAGES,
        preferred: PREFERRED,
        max_auth_attempts: limits.attempts_max,
        inactivity_timeout: Some(Duration::from_millis(limits.idle_ms)),
        nodelay: true,
        ..Config::default()
    }
}

/// Authenticated encryption alone, so that no MAC is chosen; the mark of strict key exchange (CVE-2023-48795).
const PREFERRED: Preferred = Preferred {
    kex: Cow::Borrowed(&[
        kex::MLKEM768X25519_SHA256,
        kex::CURVE25519,
        kex::CURVE25519_PRE_RFC_8731,
        kex::EXTENSION_SUPPORT_AS_SERVER,
        kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
    ]),
    key: Cow::Borrowed(&[Algorithm::Ed25519]),
    host_key_certificates: Cow::Borrowed(&[]),
    cipher: Cow::Borrowed(&[cipher::AES_256_GCM, cipher::CHACHA20_POLY1305]),
    mac: Cow::Borrowed(&[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM]),
    compression: Cow::Borrowed(&[compression::NONE]),
};
const REJECTION: Duration = Duration::from_millis(500);
const SSH_PACKET_BYTES: u32 = 32 << 10;
/// Messages of a channel that wait for its session: a window of full ones.
const CHANNEL_MESSAGES: usize = 64;
const PAUSE: Duration = Duration::from_millis(50);
