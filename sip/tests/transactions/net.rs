//! Two layers and the network between them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use patchbay_sip::transaction::{ClientKey, Config, Flow, Layer, Output, ServerKey};
use patchbay_sip::{Message, Method, Transport};

pub const CALLER: usize = 0;
pub const CALLEE: usize = 1;
pub const SENT_BY: [&str; 2] = ["192.0.2.1:5060", "192.0.2.2:5060"];

/// Random numbers from a seed (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn percent(&mut self, share: u64) -> bool {
        self.next() % 100 < share
    }
}

/// What the network does to packets.
#[derive(Default)]
pub struct Faults {
    pub loss_percent: u64,
    pub duplicate_percent: u64,
    pub jitter_ms: u64,
}

/// What a test decides on the fate of one packet: true drops it.
pub type Filter = Box<dyn FnMut(usize, &Message) -> bool>;

pub struct Net {
    pub start: Instant,
    pub now: Instant,
    pub layers: [Layer; 2],
    pub transport: Transport,
    pub faults: Faults,
    pub filter: Option<Filter>,
    /// Everything sent: time in ms, sender, method or status.
    pub log: Vec<(u64, usize, String)>,
    random: Random,
    wire: BTreeMap<(Instant, u64), (usize, Bytes)>,
    serial: u64,
}

pub fn addr(side: usize) -> SocketAddr {
    SENT_BY[side].parse().unwrap()
}

impl Net {
    pub fn new(transport: Transport) -> Net {
        Net::with(transport, Config::default(), 1)
    }

    pub fn with(transport: Transport, config: Config, seed: u64) -> Net {
        let start = Instant::now();
        Net {
            start,
            now: start,
            layers: [
                Layer::new(config.clone(), [1; 32]),
                Layer::new(config, [2; 32]),
            ],
            transport,
            faults: Faults::default(),
            filter: None,
            log: Vec::new(),
            random: Random(seed),
            wire: BTreeMap::new(),
            serial: 0,
        }
    }

    pub fn flow(&self, side: usize) -> Flow {
        let connection = if self.transport == Transport::Udp {
            0
        } else {
            7
        };
        Flow {
            transport: self.transport,
            local: addr(side),
            remote: addr(1 - side),
            connection,
        }
    }

    pub fn ms(&self) -> u64 {
        u64::try_from((self.now - self.start).as_millis()).unwrap()
    }

    pub fn send(&mut self, side: usize, request: Message) -> ClientKey {
        let (flow, now) = (self.flow(side), self.now);
        self.layers[side]
            .send_request(request, flow, SENT_BY[side], now)
            .unwrap()
    }

    pub fn respond(&mut self, side: usize, server: ServerKey, request: &Message, status: u16) {
        let mut response = Message::response_to(request, status, "");
        if status > 100 {
            response.set_to_tag("callee");
            response.headers.push("Contact", "<sip:callee@192.0.2.2>");
        }
        let now = self.now;
        self.layers[side].respond(server, response, now).unwrap();
    }

    /// Puts what the layers send on the wire; true where anything happened.
    fn drain(&mut self, on: &mut impl FnMut(&mut Net, usize, Output)) -> bool {
        let mut busy = false;
        for side in [CALLER, CALLEE] {
            while let Some(output) = self.layers[side].poll() {
                busy = true;
                match output {
                    Output::Send { message, .. } => self.put(side, message.bytes()),
                    other => on(self, side, other),
                }
            }
        }
        busy
    }

    fn put(&mut self, side: usize, bytes: Bytes) {
        let message = Message::parse(bytes.clone()).expect("a layer sends only what parses");
        let word = match message.status() {
            Some(status) => format!("{status} {}", message.cseq().unwrap().method),
            None => message.method().unwrap().to_string(),
        };
        self.log.push((self.ms(), side, word));
        if let Some(filter) = &mut self.filter
            && filter(side, &message)
        {
            return;
        }
        if self.random.percent(self.faults.loss_percent) {
            return;
        }
        let copies = 1 + u64::from(self.random.percent(self.faults.duplicate_percent));
        for _ in 0..copies {
            let jitter = self.random.next() % (self.faults.jitter_ms + 1);
            let at = self.now + Duration::from_millis(1 + jitter);
            self.serial += 1;
            self.wire
                .insert((at, self.serial), (1 - side, bytes.clone()));
        }
    }

    /// Runs until nothing is left to do before `limit` from the beginning.
    pub fn run(&mut self, limit: Duration, mut on: impl FnMut(&mut Net, usize, Output)) {
        let end = self.start + limit;
        loop {
            if self.drain(&mut on) {
                continue;
            }
            let arrival = self.wire.keys().next().map(|(at, _)| *at);
            let wakes = self.layers.iter().filter_map(Layer::next_wakeup).min();
            let Some(next) = [arrival, wakes].into_iter().flatten().min() else {
                break;
            };
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if arrival == Some(next) {
                let (_, (to, bytes)) = self.wire.pop_first().unwrap();
                let (flow, now) = (self.flow(to), self.now);
                // Drops are counted by the layer; scenarios look at what is delivered.
                let _ = self.layers[to].receive(Message::parse(bytes).unwrap(), flow, now);
            } else {
                let now = self.now;
                self.layers.iter_mut().for_each(|layer| layer.wake(now));
            }
        }
        self.now = end;
    }

    /// As [`Net::run`], and returns what the users were told.
    pub fn collect(&mut self, limit: Duration) -> Vec<(usize, Output)> {
        let mut told = Vec::new();
        self.run(limit, |_, side, output| told.push((side, output)));
        told
    }

    /// Times in ms at which `side` sent `word`.
    pub fn times(&self, side: usize, word: &str) -> Vec<u64> {
        self.log
            .iter()
            .filter(|(_, s, w)| *s == side && w == word)
            .map(|(at, ..)| *at)
            .collect()
    }

    pub fn assert_empty(&self) {
        for layer in &self.layers {
            assert_eq!(layer.len(), 0, "a transaction outlived the scenario");
            assert_eq!(layer.next_wakeup(), None);
        }
    }
}

pub fn request(method: Method) -> Message {
    numbered(method, 1)
}

pub fn numbered(method: Method, call: u64) -> Message {
    let mut request = Message::request(method.clone(), "sip:callee@192.0.2.2");
    request.headers.push("Max-Forwards", "70");
    request
        .headers
        .push("From", "\"A\" <sip:caller@192.0.2.1>;tag=caller");
    request.headers.push("To", "<sip:callee@192.0.2.2>");
    request
        .headers
        .push("Call-ID", format!("call-{call}@192.0.2.1"));
    request.headers.push("CSeq", format!("1 {method}"));
    request.headers.push("Contact", "<sip:caller@192.0.2.1>");
    request
}

/// The ACK that the caller's user sends for a 2xx.
pub fn ack(response: &Message) -> Message {
    let mut ack = Message::request(Method::Ack, "sip:callee@192.0.2.2");
    ack.headers.push("Max-Forwards", "70");
    for name in ["From", "To", "Call-ID"] {
        ack.headers.push(name, response.headers.get(name).unwrap());
    }
    ack.headers
        .push("CSeq", format!("{} ACK", response.cseq().unwrap().number));
    ack
}

pub const MINUTE: Duration = Duration::from_secs(60);
