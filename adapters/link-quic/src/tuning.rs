//! What QUIC is told of windows, streams and time.

use link::Limits;
use quinn::{IdleTimeout, TransportConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// The settings of a connection. `callable` is for those that are called: only who dials opens the stream of names.
pub(crate) fn transport(limits: &Limits, callable: bool) -> TransportConfig {
    let mut config = TransportConfig::default();
    // A stream may fill the window of the connection by half, so that bulk which nobody reads leaves room for control.
    let window = u32::try_from(limits.incoming_bytes_max).unwrap_or(u32::MAX).max(WINDOW_LEAST);
    let both = window.saturating_mul(2);
    config.stream_receive_window(VarInt::from_u32(window));
    config.receive_window(VarInt::from_u32(both));
    config.send_window(u64::from(both));
    config.max_concurrent_uni_streams(VarInt::from_u32(2));
    config.max_concurrent_bidi_streams(VarInt::from_u32(u32::from(callable)));
    config.datagram_receive_buffer_size(None);
    config.keep_alive_interval(Some(Duration::from_millis(limits.keepalive_ms)));
    let silence = VarInt::from_u64(limits.keepalive_ms.saturating_mul(3));
    // Without a number that fits nobody would be given up; the longest one is some million years.
    config.max_idle_timeout(Some(IdleTimeout::from(silence.unwrap_or(VarInt::MAX))));
    config
}

/// A socket with more room than systems give by default: a burst that does not fit is lost, and sent again. A system that
/// gives less than it is asked for is no reason not to go on.
pub(crate) fn socket(at: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(at), Type::DGRAM, Some(Protocol::UDP))?;
    if at.is_ipv6() {
        // As std does it: an address of IPv6 is one.
        socket.set_only_v6(!at.ip().is_unspecified())?;
    }
    let _ = socket.set_recv_buffer_size(SOCKET_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BYTES);
    socket.bind(&at.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// 64 KiB: less would make a stream wait for each of its packets.
const WINDOW_LEAST: u32 = 64 << 10;
const SOCKET_BYTES: usize = 4 << 20;
