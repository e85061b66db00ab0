//! The exchange's thread: sockets, timers and orders of all phones.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use super::super::phone::{CallRef, CallSpec, MediaAddresses, Phone, PhoneConfig, PhoneOutput};
use super::super::poller::{Poller, Ready};
use super::super::studio::{Command, Desk, LegId, Note, Role};
use super::super::voice::mix;
use super::media::Ports;
use super::slot::{self, Slot};
use super::{
    Event, ExchangeConfig, ExchangeCounters, ExchangeError, MAX_PHONES, News, Order, PhoneId,
    PhoneSpec,
};

/// Orders obeyed before sockets are read again.
const ORDERS_PER_TURN: usize = 256;

/// Everything that the thread owns.
pub(super) struct Switchboard {
    config: ExchangeConfig,
    poller: Poller,
    studio: Desk,
    events: Sender<Event>,
    slots: Vec<Slot>,
    /// When a phone's timers are due. An entry that is older than the slot's own is skipped.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// The phone of each call with audio.
    legs: HashMap<LegId, usize>,
    ports: Ports,
    counters: ExchangeCounters,
}

impl Switchboard {
    pub fn new(
        config: ExchangeConfig,
        poller: Poller,
        studio: Desk,
        events: Sender<Event>,
    ) -> Self {
        let start = mix(config.seed ^ u64::from(std::process::id()));
        let ports = Ports::new(&config.media_ports, start);
        Self {
            config,
            poller,
            studio,
            events,
            slots: Vec::new(),
            due: BinaryHeap::new(),
            legs: HashMap::new(),
            ports,
            counters: ExchangeCounters::default(),
        }
    }

    /// Runs until it is told to stop.
    pub fn run(mut self, inbox: &Receiver<Order>) {
        let mut ready: Vec<Ready> = Vec::new();
        let mut more = false;
        loop {
            self.wake_phones();
            let timeout = if more {
                Some(Duration::ZERO)
            } else {
                self.until_next()
            };
            if self.poller.wait(timeout, &mut ready).is_err() {
                return;
            }
            for socket in ready.drain(..) {
                let (index, connection) = slot::of_key(socket.key);
                if let Some(slot) = self.slots.get_mut(index) {
                    let counters = &mut self.counters;
                    slot.ready(index, connection, socket.writable, &self.poller, counters);
                    self.serve(index);
                }
            }
            more = false;
            for turn in 0..ORDERS_PER_TURN {
                match inbox.try_recv() {
                    Ok(Order::Stop) => return,
                    Ok(order) => self.obey(order),
                    Err(_) => break,
                }
                more = turn + 1 == ORDERS_PER_TURN;
            }
        }
    }

    fn until_next(&self) -> Option<Duration> {
        let Reverse((due, _)) = self.due.peek()?;
        Some(due.saturating_duration_since(Instant::now()))
    }

    fn wake_phones(&mut self) {
        while let Some(&Reverse((due, index))) = self.due.peek() {
            let now = Instant::now();
            if due > now {
                return;
            }
            self.due.pop();
            if let Some(slot) = self.slots.get_mut(index)
                && slot.scheduled == Some(due)
            {
                slot.scheduled = None;
                slot.phone.wake(now);
                self.serve(index);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let now = Instant::now();
        match order {
            Order::Add(spec, answer) => {
                let _ = answer.try_send(self.add(&spec));
            }
            Order::Register(phone) => self.with(phone, |phone| phone.register(now)),
            Order::Unregister(phone) => self.with(phone, |phone| phone.unregister(now)),
            Order::Call(phone, call, spec) => self.call(phone, call, &spec, now),
            Order::HangUp(phone, call) => self.with(phone, |phone| phone.hang_up(call, now)),
            Order::Hold(phone, call, held) => {
                self.with(phone, |phone| phone.hold(call, held, now));
            }
            Order::Behave(phone, behaviour) => self.with(phone, |phone| phone.behave(behaviour)),
            Order::Counters(answer) => {
                let unusable = self.slots.iter().map(|slot| slot.phone.unusable()).sum();
                let _ = answer.try_send(ExchangeCounters {
                    unusable,
                    ..self.counters
                });
            }
            Order::Audio(note) => self.note(note, now),
            Order::Stop => {}
        }
    }

    fn with(&mut self, phone: PhoneId, action: impl FnOnce(&mut Phone)) {
        let index = phone.0 as usize;
        if let Some(slot) = self.slots.get_mut(index) {
            action(&mut slot.phone);
            self.serve(index);
        }
    }

    fn call(&mut self, phone: PhoneId, call: CallRef, spec: &CallSpec, now: Instant) {
        let mut placed = false;
        self.with(phone, |phone| placed = phone.call(call, spec, now).is_ok());
        self.counters.calls_refused += u64::from(!placed);
    }

    fn add(&mut self, spec: &PhoneSpec) -> Result<(PhoneId, SocketAddr), ExchangeError> {
        let index = self.slots.len();
        if index >= MAX_PHONES {
            return Err(ExchangeError::TooManyPhones);
        }
        let bad = |source| ExchangeError::Bind {
            address: spec.bind,
            source,
        };
        let (socketry, local) = slot::bind(spec).map_err(bad)?;
        let number = index as u32;
        let config = PhoneConfig {
            index: number,
            user: spec.user.clone(),
            domain: spec.domain.clone(),
            password: spec.password.clone(),
            local,
            transport: spec.transport,
            proxy: spec.proxy,
            behaviour: spec.behaviour,
            lines: spec.lines,
            laws: spec.laws.clone(),
            expires_s: spec.expires_s,
            seed: self.config.seed,
        };
        let phone = Phone::new(config, self.config.transactions.clone());
        self.slots
            .push(Slot::new(phone, socketry, index, &self.poller).map_err(bad)?);
        Ok((PhoneId(number), local))
    }

    /// Does what a phone wants done, and looks when its timers are due.
    fn serve(&mut self, index: usize) {
        while let Some(output) = self.slots.get_mut(index).and_then(|slot| slot.phone.poll()) {
            match output {
                PhoneOutput::Send { flow, bytes } => {
                    if let Some(slot) = self.slots.get_mut(index) {
                        slot.send(index, flow, &bytes, &self.poller, &mut self.counters);
                    }
                }
                PhoneOutput::Event(event) => self.tell(index, News::Phone(event)),
                PhoneOutput::OpenMedia { call, role } => self.open_media(index, call, role),
                PhoneOutput::Talk {
                    call,
                    to,
                    law,
                    talking,
                } => {
                    let (leg, rtp, rtcp) = (call.leg(), to.rtp, to.rtcp);
                    self.direct(Command::Talk {
                        leg,
                        rtp,
                        rtcp,
                        law,
                        talking,
                    });
                }
                PhoneOutput::FinishMedia(call) => self.finish_media(index, call),
                PhoneOutput::CloseMedia(call) => self.direct(Command::Close(call.leg())),
            }
        }
        self.schedule(index);
    }

    fn schedule(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index)
            && let Some(due) = slot.phone.next_wakeup()
            && slot.scheduled.is_none_or(|scheduled| due < scheduled)
        {
            slot.scheduled = Some(due);
            self.due.push(Reverse((due, index)));
        }
    }

    fn tell(&mut self, index: usize, news: News) {
        let event = Event {
            at: Instant::now(),
            phone: PhoneId(index as u32),
            news,
        };
        if self.events.try_send(event).is_err() {
            self.counters.events_lost += 1;
        }
    }

    /// An order to the studio. It is full only when the machine has stopped; the call's report
    /// then misses its audio.
    fn direct(&self, command: Command) {
        if self.config.audio {
            let _ = self.studio.order(command);
        }
    }

    fn open_media(&mut self, index: usize, call: CallRef, role: Role) {
        let Some(slot) = self.slots.get_mut(index) else {
            return;
        };
        let now = Instant::now();
        let ip = slot.phone.config().local.ip();
        if !self.config.audio {
            slot.phone
                .media(call, Some(MediaAddresses::nowhere(ip)), now);
            return;
        }
        let leg = call.leg();
        let opened = self.ports.bind(ip).ok().and_then(|(rtp, rtcp, addresses)| {
            let cname = format!("{}@{ip}", slot.phone.config().user);
            let order = Command::Open {
                leg,
                role,
                rtp,
                rtcp,
                cname,
            };
            self.studio.order(order).ok().map(|()| addresses)
        });
        if opened.is_some() {
            self.legs.insert(leg, index);
        }
        slot.phone.media(call, opened, now);
    }

    fn finish_media(&mut self, index: usize, call: CallRef) {
        let asked = self.config.audio && self.studio.order(Command::Finish(call.leg())).is_ok();
        if !asked && let Some(slot) = self.slots.get_mut(index) {
            slot.phone.media_finished(call, Instant::now());
        }
    }

    fn note(&mut self, note: Note, now: Instant) {
        match note {
            Note::Finished(leg) => {
                if let Some(index) = self.legs.get(&leg).copied() {
                    let call = CallRef(leg.0);
                    self.with(PhoneId(index as u32), |phone| {
                        phone.media_finished(call, now)
                    });
                }
            }
            Note::Closed(report) => {
                if let Some(index) = self.legs.remove(&report.leg) {
                    self.tell(index, News::Audio(CallRef(report.leg.0), report));
                }
            }
        }
    }
}
