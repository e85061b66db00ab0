//! One phone with its sockets.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Instant;

use bytes::Bytes;
use patchbay_sip::Transport;
use patchbay_sip::transaction::Flow;
use socket2::{Domain, Socket, Type};

use super::super::phone::Phone;
use super::super::poller::Poller;
use super::connection::{Broken, Connection};
use super::{ExchangeCounters, PhoneSpec};

/// Connections of one phone, at most.
const MAX_CONNECTIONS: usize = 4_096;
/// Datagrams read from one socket before the others have their turn.
const READS_PER_TURN: usize = 64;
/// Kernel buffer for datagrams in each direction: one socket may carry thousands of calls.
const UDP_BUFFER: usize = 4 << 20;
/// Bits of a poller key that name the connection; 0 is the phone's own socket.
const CONNECTION_BITS: u32 = 40;

/// The socket that a phone is reached at.
#[derive(Debug)]
pub(super) enum Socketry {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

/// A phone, its sockets, and when its timers are looked at next.
#[derive(Debug)]
pub(super) struct Slot {
    pub phone: Phone,
    socketry: Socketry,
    connections: HashMap<u64, Connection>,
    accepted: u64,
    pub scheduled: Option<Instant>,
}

/// The poller's key of a phone's own socket or of one of its connections.
pub(super) const fn key(slot: usize, connection: u64) -> u64 {
    ((slot as u64) << CONNECTION_BITS) | connection
}

/// Slot and connection of a key.
pub(super) const fn of_key(key: u64) -> (usize, u64) {
    (
        (key >> CONNECTION_BITS) as usize,
        key & ((1 << CONNECTION_BITS) - 1),
    )
}

/// Binds the socket of a phone; its address, too.
pub(super) fn bind(spec: &PhoneSpec) -> io::Result<(Socketry, SocketAddr)> {
    if spec.transport != Transport::Udp {
        let listener = TcpListener::bind(spec.bind)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        return Ok((Socketry::Tcp(listener), address));
    }
    let socket = Socket::new(
        Domain::for_address(spec.bind),
        Type::DGRAM.nonblocking(),
        None,
    )?;
    // The kernel cuts these at its own limit, which is not an error.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER);
    let _ = socket.set_send_buffer_size(UDP_BUFFER);
    socket.bind(&spec.bind.into())?;
    let socket = UdpSocket::from(socket);
    let address = socket.local_addr()?;
    Ok((Socketry::Udp(socket), address))
}

impl Slot {
    /// # Errors
    /// The poller takes no further socket.
    pub fn new(phone: Phone, socketry: Socketry, slot: usize, poller: &Poller) -> io::Result<Self> {
        match &socketry {
            Socketry::Udp(socket) => poller.add(socket, key(slot, 0))?,
            Socketry::Tcp(listener) => poller.add(listener, key(slot, 0))?,
        }
        let connections = HashMap::new();
        Ok(Self {
            phone,
            socketry,
            connections,
            accepted: 0,
            scheduled: None,
        })
    }

    /// Puts bytes on a flow.
    pub fn send(
        &mut self,
        slot: usize,
        flow: Flow,
        bytes: &[u8],
        poller: &Poller,
        counters: &mut ExchangeCounters,
    ) {
        if let Socketry::Udp(socket) = &self.socketry {
            if socket.send_to(bytes, flow.remote).is_err() {
                counters.sends_refused += 1;
            }
            return;
        }
        let sent = self.open(slot, flow, poller).and_then(|()| {
            let connection = self
                .connections
                .get_mut(&flow.connection)
                .ok_or(Broken::Lost)?;
            connection.send(bytes)
        });
        match sent {
            Ok(()) => self.watch_room(slot, flow.connection, poller),
            Err(broken) => self.drop_connection(flow.connection, &broken, counters),
        }
    }

    /// Opens the connection of a flow if it does not exist.
    fn open(&mut self, slot: usize, flow: Flow, poller: &Poller) -> Result<(), Broken> {
        let number = flow.connection;
        if self.connections.contains_key(&number) {
            return Ok(());
        }
        if self.connections.len() >= MAX_CONNECTIONS {
            return Err(Broken::Choked);
        }
        let connection = Connection::open(flow.local, flow.remote).map_err(|_| Broken::Lost)?;
        let key = key(slot, number);
        poller
            .add(&connection.stream, key)
            .and_then(|()| poller.want_write(&connection.stream, key, true))
            .map_err(|_| Broken::Lost)?;
        self.connections.insert(number, connection);
        Ok(())
    }

    fn drop_connection(&mut self, number: u64, broken: &Broken, counters: &mut ExchangeCounters) {
        self.connections.remove(&number);
        counters.connections_choked += u64::from(*broken == Broken::Choked);
        // The phone learns it, and its transactions there fail.
        self.phone.flow_failed(number, Instant::now());
    }

    /// Watches for room as long as something waits for it.
    fn watch_room(&mut self, slot: usize, number: u64, poller: &Poller) {
        if let Some(connection) = self.connections.get_mut(&number) {
            let wanted = connection.needs_room();
            if wanted != connection.watching_room
                && poller
                    .want_write(&connection.stream, key(slot, number), wanted)
                    .is_ok()
            {
                connection.watching_room = wanted;
            }
        }
    }

    /// Something is ready on one of its sockets.
    pub fn ready(
        &mut self,
        slot: usize,
        number: u64,
        writable: bool,
        poller: &Poller,
        counters: &mut ExchangeCounters,
    ) {
        if number != 0 {
            self.connection_ready(slot, number, writable, poller, counters);
            return;
        }
        match &self.socketry {
            Socketry::Udp(_) => self.read_datagrams(),
            Socketry::Tcp(_) => self.accept(slot, poller),
        }
    }

    fn read_datagrams(&mut self) {
        let Socketry::Udp(socket) = &self.socketry else {
            return;
        };
        let mut buffer = [0_u8; 65_535];
        let local = self.phone.config().local;
        for _ in 0..READS_PER_TURN {
            let Ok((length, remote)) = socket.recv_from(&mut buffer) else {
                return;
            };
            let bytes = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
            let flow = Flow {
                transport: Transport::Udp,
                local,
                remote,
                connection: 0,
            };
            self.phone.receive(bytes, flow, Instant::now());
        }
    }

    fn accept(&mut self, slot: usize, poller: &Poller) {
        let Socketry::Tcp(listener) = &self.socketry else {
            return;
        };
        while let Ok((stream, remote)) = listener.accept() {
            if self.connections.len() >= MAX_CONNECTIONS || stream.set_nonblocking(true).is_err() {
                continue;
            }
            self.accepted += 1;
            if poller.add(&stream, key(slot, self.accepted)).is_ok() {
                self.connections
                    .insert(self.accepted, Connection::established(stream, remote));
            }
        }
    }

    fn connection_ready(
        &mut self,
        slot: usize,
        number: u64,
        writable: bool,
        poller: &Poller,
        counters: &mut ExchangeCounters,
    ) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let remote = connection.remote;
        let mut messages = Vec::new();
        let flushed = if writable { connection.flush() } else { Ok(()) };
        let outcome = flushed.and_then(|()| connection.read(&mut messages));
        let local = self.phone.config().local;
        let flow = Flow {
            transport: Transport::Tcp,
            local,
            remote,
            connection: number,
        };
        for bytes in messages {
            self.phone.receive(bytes, flow, Instant::now());
        }
        match outcome {
            Ok(()) => self.watch_room(slot, number, poller),
            Err(broken) => self.drop_connection(number, &broken, counters),
        }
    }
}
