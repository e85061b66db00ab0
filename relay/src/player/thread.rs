//! The thread that sends what callers hear: a packet each 20 ms for everyone who listens.

use super::stream::Stream;
use super::{Listener, Order};
use crate::audio::Library;
use crate::session::SessionId;
use patchbay_route::waiting::Say;
use rustc_hash::FxHashMap;
use socket2::{Domain, Protocol, Socket, Type};
use std::cell::LazyCell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// Orders that wait; the next is refused.
const MAX_ORDERS: usize = 16_384;
/// From one packet of a stream to its next.
const PACKET_TIME: Duration = Duration::from_millis(20);
/// Streams are sent in so many portions, so that packets do not come in one burst.
const PORTIONS: u32 = 4;
/// A thread that was not run for so long goes on from now: what was missed is not sent in a burst.
const MAX_LAG: Duration = Duration::from_millis(200);
/// Packets read before the next portion is due, for each stream.
const READ_PER_STREAM: usize = 4;
/// Ports that are tried for the player's sockets.
pub const START_TRIES: usize = 1_000;
/// Larger packets from callers are cut: a telephone event is at their beginning.
const READ_BYTES: usize = 256;
/// The kernel's interface of this host's own packets.
const LOOPBACK: &[u8] = b"lo";

/// What the player has done since it started.
#[derive(Debug, Default)]
pub struct PlayerCounts {
    /// Callers who listen now.
    pub listeners: AtomicU64,
    /// Packets sent.
    pub sent: AtomicU64,
    /// Packets that could not be sent.
    pub failed: AtomicU64,
    /// Orders refused because too many waited.
    pub refused: AtomicU64,
    /// Packets received from elsewhere than the engine's side of a pair that is played to.
    pub strangers: AtomicU64,
}

/// A running player; it ends when this is dropped.
#[derive(Debug)]
pub struct Player {
    orders: SyncSender<Order>,
    port: u16,
    counts: Arc<PlayerCounts>,
}

impl Player {
    /// Starts one whose sockets keep away from the media ports. It asks for `library` when somebody
    /// listens for the first time: making the sounds that are built in takes memory, and a host whose
    /// callers hear nothing needs none. It gives `pressed` the keys that callers press.
    ///
    /// # Errors
    /// No port is free among [`START_TRIES`], or no thread.
    pub fn start(
        library: impl FnOnce() -> Library + Send + 'static,
        media_ports: &RangeInclusive<u16>,
        seed: u64,
        pressed: impl Fn(SessionId, char) + Send + 'static,
    ) -> io::Result<Player> {
        let (sockets, port) = bind(media_ports)?;
        let (orders, waiting) = mpsc::sync_channel(MAX_ORDERS);
        let counts = Arc::new(PlayerCounts::default());
        let worker = Worker {
            library: LazyCell::new(Box::new(library)),
            sockets,
            streams: FxHashMap::default(),
            portions: Default::default(),
            places: FxHashMap::default(),
            counts: Arc::clone(&counts),
            seed,
            pressed,
        };
        std::thread::Builder::new()
            .name("player".to_owned())
            .spawn(move || worker.run(&waiting))?;
        Ok(Player {
            orders,
            port,
            counts,
        })
    }

    /// The port of its sockets, the same for IPv4 and IPv6.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has done.
    pub fn counts(&self) -> Arc<PlayerCounts> {
        Arc::clone(&self.counts)
    }

    /// Tells it something. Refused and counted when too much waits already, but for the end of a
    /// stream, which waits for its turn: that is microseconds.
    pub fn order(&self, order: Order) {
        let taken = match order {
            Order::Stop(_) => self.orders.send(order).is_ok(),
            Order::Start(_) | Order::Say(..) => self.orders.try_send(order).is_ok(),
        };
        if !taken {
            self.counts.refused.fetch_add(1, Relaxed);
        }
    }
}

/// One for each version of IP; a host may lack the second.
struct Sockets {
    v4: UdpSocket,
    v6: Option<UdpSocket>,
}

impl Sockets {
    fn toward(&self, to: SocketAddr) -> Option<&UdpSocket> {
        match to.is_ipv4() {
            true => Some(&self.v4),
            false => self.v6.as_ref(),
        }
    }
}

/// A port beyond the media ports, since a steered one takes what a socket on it would get.
fn bind(media_ports: &RangeInclusive<u16>) -> io::Result<(Sockets, u16)> {
    let ports = (1024..=u16::MAX).rev();
    let candidates = ports.filter(|port| !media_ports.contains(port));
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for port in candidates.take(START_TRIES) {
        match open((Ipv4Addr::UNSPECIFIED, port).into()) {
            Ok(v4) => {
                let v6 = match open((Ipv6Addr::UNSPECIFIED, port).into()) {
                    Ok(v6) => Some(v6),
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => continue,
                    // A host without IPv6 has IPv4 alone.
                    Err(_) => None,
                };
                return Ok((Sockets { v4, v6 }, port));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // What it gets and sends never leaves the host; a kernel that does not let us say so still
    // refuses packets from outside that claim to come from one of our addresses.
    let _ = socket.bind_device(Some(LOOPBACK));
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

struct Worker<F> {
    library: LazyCell<Library, Box<dyn FnOnce() -> Library + Send>>,
    sockets: Sockets,
    streams: FxHashMap<SessionId, (Stream, usize)>,
    /// Sessions by the portion that they are sent in.
    portions: [Vec<SessionId>; PORTIONS as usize],
    /// Whose packets come from there.
    places: FxHashMap<SocketAddr, SessionId>,
    counts: Arc<PlayerCounts>,
    seed: u64,
    pressed: F,
}

impl<F: Fn(SessionId, char)> Worker<F> {
    fn run(mut self, orders: &Receiver<Order>) {
        let mut portion = 0;
        let mut due = Instant::now();
        loop {
            let order = match self.streams.is_empty() {
                true => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => orders.recv_timeout(due.saturating_duration_since(Instant::now())),
            };
            match order {
                Ok(order) => {
                    if self.streams.is_empty() {
                        due = Instant::now();
                    }
                    self.take(order);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.send(portion);
                    self.listen();
                    portion = (portion + 1) % PORTIONS as usize;
                    due += PACKET_TIME / PORTIONS;
                    if due.elapsed() > MAX_LAG {
                        due = Instant::now();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Start(listener) => self.begin(&listener),
            Order::Say(session, say) => self.say(session, &say),
            Order::Stop(session) => self.stop(session),
        }
        let listeners = self.streams.len() as u64;
        self.counts.listeners.store(listeners, Relaxed);
    }

    fn begin(&mut self, listener: &Listener) {
        self.stop(listener.session);
        self.seed = self
            .seed
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(1);
        let stream = Stream::new(listener, &self.library, self.seed);
        let shortest = self.portions.iter_mut().enumerate();
        let Some((portion, sessions)) = shortest.min_by_key(|(_, sessions)| sessions.len()) else {
            return;
        };
        sessions.push(listener.session);
        self.places.insert(listener.to, listener.session);
        self.streams.insert(listener.session, (stream, portion));
    }

    fn say(&mut self, session: SessionId, say: &Say) {
        if let Some((stream, _)) = self.streams.get_mut(&session) {
            stream.say(say, &self.library);
        }
    }

    fn stop(&mut self, session: SessionId) {
        let Some((stream, portion)) = self.streams.remove(&session) else {
            return;
        };
        self.places.remove(&stream.to);
        if let Some(sessions) = self.portions.get_mut(portion) {
            sessions.retain(|other| *other != session);
        }
    }

    fn send(&mut self, portion: usize) {
        let sessions = self.portions.get(portion).into_iter().flatten();
        for session in sessions {
            let Some((stream, _)) = self.streams.get_mut(session) else {
                continue;
            };
            let packet = stream.packet();
            let to = stream.to;
            let socket = self.sockets.toward(to);
            let sent = socket.is_some_and(|socket| socket.send_to(&packet, to).is_ok());
            let count = if sent {
                &self.counts.sent
            } else {
                &self.counts.failed
            };
            count.fetch_add(1, Relaxed);
        }
    }

    /// Reads what callers send: nothing of it matters but keys.
    fn listen(&mut self) {
        let most = READ_PER_STREAM * self.streams.len();
        let mut buffer = [0; READ_BYTES];
        for socket in [Some(&self.sockets.v4), self.sockets.v6.as_ref()] {
            let Some(socket) = socket else { continue };
            for _ in 0..most {
                let Ok((len, from)) = socket.recv_from(&mut buffer) else {
                    break;
                };
                let Some(session) = self.places.get(&from) else {
                    self.counts.strangers.fetch_add(1, Relaxed);
                    continue;
                };
                let Some((stream, _)) = self.streams.get_mut(session) else {
                    continue;
                };
                let packet = buffer.get(..len).unwrap_or_default();
                let key = stream
                    .events
                    .and_then(|events| stream.keys.take(packet, events));
                if let Some(key) = key {
                    (self.pressed)(*session, key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::player::Law;
    use crate::session::Ids;

    const PATIENCE: Duration = Duration::from_secs(10);

    // D14
    #[test]
    fn who_listens_hears_and_is_heard_until_it_stops() {
        let (tell, told) = mpsc::channel();
        let pressed = move |session, key| tell.send((session, key)).unwrap();
        let player = Player::start(Library::builtin, &(20_000..=59_999), 1, pressed).unwrap();
        for (side, here) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
            // In the engine's place.
            let Ok(engine) = UdpSocket::bind(side) else {
                continue;
            };
            engine.set_read_timeout(Some(PATIENCE)).unwrap();
            let session = Ids::new([u8::try_from(here.len()).unwrap(); 32]).session();
            player.order(Order::Start(Box::new(Listener {
                session,
                to: engine.local_addr().unwrap(),
                law: Law::Mu,
                payload: 0,
                events: Some(101),
                music: "music".into(),
                language: "en".into(),
            })));
            let mut packet = [0; 512];
            let (len, from) = engine.recv_from(&mut packet).unwrap();
            assert_eq!(len, 172);
            assert_eq!(from, SocketAddr::new(here.parse().unwrap(), player.port()));
            let key = [0x80, 101, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 5, 0x80, 0, 160];
            engine.send_to(&key, from).unwrap();
            assert_eq!(told.recv_timeout(PATIENCE), Ok((session, '5')));
            let stranger = UdpSocket::bind(side).unwrap();
            stranger.send_to(&key, from).unwrap();
            player.order(Order::Stop(session));
        }
        while player.counts().listeners.load(Relaxed) > 0 {
            std::thread::yield_now();
        }
        assert_eq!(player.counts().failed.load(Relaxed), 0);
    }
}
