//! Who is served, where, and within which bounds.

use crate::{Mailbox, OpenError};
use core::fmt;
use filexfer::PartyId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// A server.
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Its own key.
    pub host_key: HostKey,
    /// Who is served, by the name they log in with.
    pub clients: BTreeMap<PartyId, Client>,
    /// What it holds at most.
    pub limits: Limits,
}

/// A client.
#[derive(Debug)]
pub struct Client {
    /// Any of these lets it in.
    pub keys: Vec<ClientKey>,
    /// Its files.
    pub mailbox: Arc<Mailbox>,
}

/// An Ed25519 key that says who the server is.
#[derive(Clone)]
pub struct HostKey(pub(crate) russh::keys::PrivateKey);

impl HostKey {
    /// As `ssh-keygen -t ed25519` writes it, without a passphrase.
    ///
    /// # Errors
    /// [`OpenError::HostKey`].
    pub fn from_openssh(text: &str) -> Result<Self, OpenError> {
        let key = russh::keys::PrivateKey::from_openssh(text).map_err(|_| OpenError::HostKey)?;
        let is_usable = key.algorithm() == russh::keys::Algorithm::Ed25519 && !key.is_encrypted();
        if is_usable { Ok(Self(key)) } else { Err(OpenError::HostKey) }
    }

    /// What a client sees when it meets the server for the first time: `SHA256:` and 43 characters.
    pub fn fingerprint(&self) -> String {
        self.0.public_key().fingerprint(russh::keys::HashAlg::Sha256).to_string()
    }
}

/// Without the key.
impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostKey(..)")
    }
}

/// A public key that lets a client in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKey(pub(crate) russh::keys::PublicKey);

impl ClientKey {
    /// A line of an `authorized_keys` or `.pub` file, without options: `ssh-ed25519`, the key, a comment that means nothing.
    ///
    /// # Errors
    /// [`OpenError::ClientKey`], also for keys of other kinds.
    pub fn new(line: &str) -> Result<Self, OpenError> {
        let mut key =
            russh::keys::PublicKey::from_openssh(line).map_err(|_| OpenError::ClientKey)?;
        key.set_comment("");
        let is_usable = key.algorithm() == russh::keys::Algorithm::Ed25519;
        if is_usable { Ok(Self(key)) } else { Err(OpenError::ClientKey) }
    }
}

/// Bounds of what clients can make a server hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections, also of who has not said yet who it is. Each holds at most one window of bytes in each direction.
    pub connections_max: usize,
    /// Connections of one client.
    pub connections_per_client_max: usize,
    /// Channels of a connection.
    pub channels_max: usize,
    /// Open files and folders of a channel.
    pub handles_max: usize,
    /// Bytes on the way that a channel may send before they are worked off.
    pub window_bytes: u32,
    /// Bytes of an SFTP packet.
    pub packet_bytes_max: u32,
    /// How long somebody may take to say who it is, in milliseconds.
    pub login_ms: u64,
    /// How often it may try.
    pub attempts_max: usize,
    /// How long a connection may say nothing, in milliseconds.
    pub idle_ms: u64,
}

impl Default for Limits {
    /// 64 connections, 8 of one client, each 4 channels with 32 handles; windows of 2 MiB, packets of 256 KiB; 20 seconds and
    /// 6 attempts to log in; 5 minutes of silence.
    fn default() -> Self {
        Self {
            connections_max: 64,
            connections_per_client_max: 8,
            channels_max: 4,
            handles_max: 32,
            window_bytes: 2 << 20,
            packet_bytes_max: 256 << 10,
            login_ms: 20_000,
            attempts_max: 6,
            idle_ms: 300_000,
        }
    }
}

impl Limits {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let counts = [
            self.connections_max,
            self.connections_per_client_max,
            self.channels_max,
            self.handles_max,
            self.attempts_max,
        ];
        let has_none = counts.contains(&0) || self.login_ms == 0 || self.idle_ms == 0;
        // A client's write and its head have to fit (draft-ietf-secsh-filexfer-02 §3: packets of 34,000 bytes at least).
        if has_none || self.packet_bytes_max < 34_000 || self.window_bytes < self.packet_bytes_max {
            return Err(OpenError::Bounds);
        }
        Ok(())
    }
}
