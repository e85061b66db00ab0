//! A flood of messages that are nearly right, at a running centre, over UDP and TCP: nothing panics,
//! every message is accounted for, memory stays within its bounds, a call that stands goes on without
//! a gap, and new calls succeed.
//!
//! `make fuzz-traffic` sends a million; the seed of a run is printed and can be given back.

#[path = "../sip/tests/fuzz/mutate.rs"]
mod mutate;
#[path = "mutated_traffic/phones.rs"]
mod phones;

use crate::support;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mutate::{Choices, mutated};
use phones::Phone;
use support::message::Sip;
use support::raw::{Raw, sdp};
use support::stream::Stream;
use support::{AGENT, CALLER, Centre, Declaration, Media, SOON, STRANGER, until};

/// How many messages, and the seed, for a longer run.
const COUNT: &str = "PATCHBAY_TRAFFIC";
const SEED: &str = "PATCHBAY_TRAFFIC_SEED";
/// Messages of a run that is part of all tests.
const FEW: u64 = 20_000;
/// After so many a sound request is answered before the next are sent.
const BATCH: u64 = 100;
/// And after so many bytes, as the kernel counts them: no receive buffer overflows, be it the smallest
/// that a kernel has by default (212,992 bytes), with the answers of phones in it.
const BATCH_BYTES: usize = 64 << 10;
/// What a datagram takes of a receive buffer beside its bytes.
const DATAGRAM_OVERHEAD_BYTES: usize = 1_024;
/// More does not go in one datagram.
const LONGEST: usize = 60_000;
/// What tables and buffers may come to hold, in bytes: all transactions, calls and connections that
/// such a flood can open at once.
const MOST_GROWTH: u64 = 256 << 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// SplitMix64, byte by byte.
fn random(seed: u64) -> Choices<impl FnMut() -> u8> {
    let mut state = seed;
    Choices(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 56) as u8
    })
}

// A1, B6
#[test]
fn nearly_right_messages_hurt_nobody() {
    let count = number(COUNT).unwrap_or(FEW);
    let seed = number(SEED).unwrap_or(1);
    eprintln!("{SEED}={seed}, {count} messages");
    let mut scene = Scene::set(seed);
    let call = scene.established();
    let before = scene.resident();
    let (carla, anna) = (Arc::clone(&scene.carla), Arc::clone(&scene.anna));
    let over = AtomicBool::new(false);
    let (carla_sent, anna_sent) = std::thread::scope(|threads| {
        let over = &over;
        let carla = threads.spawn(move || talk(&carla, call.to_anna, over));
        let anna = threads.spawn(move || talk(&anna, call.to_carla, over));
        let ended = catch_unwind(AssertUnwindSafe(|| scene.flood(count, before)));
        over.store(true, Ordering::Relaxed);
        let sent = (carla.join().unwrap(), anna.join().unwrap());
        ended.unwrap_or_else(|why| resume_unwind(why));
        sent
    });
    // The call in progress has lost nothing, and ends as it should.
    scene
        .anna
        .wait_intact(scene.carla.ssrc(), carla_sent.into(), SOON);
    scene
        .carla
        .wait_intact(scene.anna.ssrc(), anna_sent.into(), SOON);
    scene.hangs_up(&call.invite, &call.answer);
    scene.centre.assert_alive();
    let log = scene.centre.control_process.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// Speaks until it is over, and says how many packets that took.
fn talk(media: &Media, to: SocketAddr, over: &AtomicBool) -> u16 {
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        media.talk(to, sent, 25);
        sent += 25;
    }
    sent
}

/// A call that stands.
struct Standing {
    invite: String,
    answer: Sip,
    to_anna: SocketAddr,
    to_carla: SocketAddr,
}

struct Scene {
    centre: Centre,
    carla: Arc<Media>,
    anna: Arc<Media>,
    caller: Raw,
    strangers: Vec<Raw>,
    clean: Phone,
    noise: Phone,
    choices: Choices<Box<dyn FnMut() -> u8>>,
    /// Messages sent over UDP.
    sent: u64,
    /// An invitation of a stranger's call that stands, and its answer.
    victim: Option<(String, Sip)>,
}

impl Scene {
    fn set(seed: u64) -> Scene {
        let centre = Centre::start();
        let (carla, anna) = (
            Arc::new(Media::open(CALLER, &centre.ports)),
            Arc::new(Media::open(AGENT, &centre.ports)),
        );
        let clean = Phone::answers(centre.agent_address(), anna.address(), centre.edge, false);
        let noise = Phone::answers(centre.agent_address(), anna.address(), centre.edge, true);
        let agent = |id: &str, phone: &Phone, skill: &str| {
            format!(
                "[[agent]]\nid = \"{id}\"\nuri = \"sip:{id}@{}\"\nskills = {{ {skill} = 1 }}\n",
                phone.at
            )
        };
        let rules = format!(
            "{}{}{}[[queue]]\nid = \"noise\"\nmax_length = 40\nmax_wait_seconds = 2\n\
             [[rule]]\nid = \"noise\"\nwhen = {{ to = \"noise@*\" }}\n\
             then = {{ queue = \"noise\", skills = {{ noise = 1 }} }}\n",
            agent("anna", &clean, "clean"),
            agent("bert", &clean, "clean"),
            agent("nora", &noise, "noise"),
        );
        centre.apply(&Declaration::new().wants("clean = 1").rules(&rules));
        let caller = Raw::open(CALLER, &centre.ports, centre.edge);
        let strangers = (0..4)
            .map(|_| Raw::open(STRANGER, &centre.ports, centre.edge))
            .collect();
        let mut choices = random(seed);
        Scene {
            centre,
            carla,
            anna,
            caller,
            strangers,
            clean,
            noise,
            choices: Choices(Box::new(move || choices.byte())),
            sent: 0,
            victim: None,
        }
    }

    fn say(&mut self, text: impl AsRef<[u8]>) {
        self.caller.send(text);
        self.sent += 1;
    }

    /// Carla calls, and is answered.
    fn calls(&mut self) -> (String, Sip) {
        let invite = self
            .caller
            .invite("support", &sdp(self.carla.address(), "0", ""));
        self.say(&invite);
        let answer = self
            .caller
            .expect("an answer to a clean call", SOON, |sip| {
                sip.status().is_some_and(|status| status >= 200)
            });
        assert_eq!(answer.status(), Some(200), "{}", answer.0);
        let ack = self.caller.in_dialog("ACK", 1, &invite, &answer);
        self.say(ack);
        (invite, answer)
    }

    fn established(&mut self) -> Standing {
        let (invite, answer) = self.calls();
        let offer = self.clean.offered();
        Standing {
            to_anna: answer.audio().expect("an answer with audio"),
            to_carla: offer.audio().expect("an offer with audio"),
            invite,
            answer,
        }
    }

    fn hangs_up(&mut self, invite: &str, answer: &Sip) {
        let bye = self.caller.in_dialog("BYE", 2, invite, answer);
        self.say(bye);
        let call_id = Sip(invite.to_owned()).header("Call-ID").map(str::to_owned);
        self.caller.expect("an answer to BYE", SOON, |sip| {
            sip.is_answer(200, "BYE") && sip.header("Call-ID").map(str::to_owned) == call_id
        });
    }

    /// A call of a stranger, whose dialog the flood then speaks in.
    fn victim(&mut self) {
        let stranger = &self.strangers[0];
        let invite = stranger.invite("noise", &sdp(self.carla.address(), "0", ""));
        stranger.send(&invite);
        self.sent += 1;
        let answer = stranger.expect("an answer", SOON, |sip| {
            sip.status().is_some_and(|s| s >= 200)
        });
        if answer.status() == Some(200) {
            stranger.send(stranger.in_dialog("ACK", 1, &invite, &answer));
        } else {
            stranger.send(stranger.ack(&invite, &answer));
        }
        self.sent += 1;
        self.victim = Some((invite, answer));
    }

    /// Sound messages, to be changed: of a new call, of the victim's dialog, of no dialog at all.
    fn words(&self) -> Vec<Vec<u8>> {
        let stranger = &self.strangers[0];
        let offer = sdp(
            self.carla.address(),
            "0 8 101",
            "a=rtpmap:101 telephone-event/8000\r\n",
        );
        let mut words = vec![
            stranger.invite("noise", &offer),
            stranger.invite("nobody", ""),
        ];
        for method in [
            "OPTIONS",
            "REGISTER",
            "MESSAGE",
            "SUBSCRIBE",
            "BYE",
            "CANCEL",
            "ACK",
        ] {
            let uri = format!("sip:noise@{}", self.centre.edge);
            words.push(stranger.request(method, &uri, "noise", ""));
        }
        if let Some((invite, answer)) = &self.victim {
            for (number, method) in (2u32..).zip(["INVITE", "INFO", "UPDATE", "REFER", "BYE"]) {
                words.push(stranger.in_dialog(method, number, invite, answer));
            }
            words.push(stranger.ack(invite, answer));
            words.push(answer.0.clone());
        }
        words.into_iter().map(String::into_bytes).collect()
    }

    /// Half of them over UDP, where each is counted by its fate and none gets lost; then over TCP too.
    fn flood(&mut self, count: u64, before: u64) {
        // What was sent so far has come.
        self.fence();
        let counted = self.came() - self.said();
        let mut done = 0;
        while done < count {
            if done % (count / 8).max(1) < BATCH {
                self.look(done, before);
            }
            let words = self.words();
            self.batch(&words);
            done += BATCH;
            if done < count / 2 {
                continue;
            }
            if done - BATCH < count / 2 {
                until("every message is counted", SOON, || {
                    (self.came() - self.said() == counted).then_some(())
                });
            }
            done += self.stream(&words);
        }
    }

    /// Changed messages over UDP, no more under way than the kernel holds.
    fn batch(&mut self, words: &[Vec<u8>]) {
        let mut under_way = 0;
        for at in 0..BATCH {
            let message = mutated(&mut self.choices, words);
            let datagram = &message[..message.len().min(LONGEST)];
            let bytes = 2 * datagram.len() + DATAGRAM_OVERHEAD_BYTES;
            if under_way + bytes > BATCH_BYTES {
                self.fence();
                under_way = 0;
            }
            under_way += bytes;
            self.strangers[at as usize % 4].send(datagram);
            self.sent += 1;
        }
        self.fence();
    }

    /// A call of a stranger, a clean call, and how much memory all this takes.
    fn look(&mut self, done: u64, before: u64) {
        self.victim();
        let (invite, answer) = self.calls();
        self.hangs_up(&invite, &answer);
        let grown = self.resident().saturating_sub(before);
        eprintln!("{done} messages, {} KiB more", grown >> 10);
        assert!(grown < MOST_GROWTH, "{grown} bytes more after {done}");
    }

    /// Messages that phones and strangers have sent over UDP.
    fn said(&self) -> i64 {
        let all = self.sent + self.clean.sent() + self.noise.sent();
        i64::try_from(all).unwrap()
    }

    /// Messages that came, as the relay counts them by their fates.
    fn came(&self) -> i64 {
        let metric = "patchbay_relay_sip_messages_total";
        self.centre.relay_api.metric(metric) as i64
    }

    /// Some over a connection of their own, which may break in the middle.
    fn stream(&mut self, words: &[Vec<u8>]) -> u64 {
        let mut stream = Stream::open(STRANGER, self.centre.edge);
        let count = 1 + u64::from(self.choices.byte() % 20);
        for _ in 0..count {
            stream.send(mutated(&mut self.choices, words));
        }
        count
    }

    /// Waits until all before has been dealt with.
    fn fence(&mut self) {
        let uri = format!("sip:{}", self.centre.edge);
        let options = self.caller.request("OPTIONS", &uri, "fence", "");
        let call_id = Sip(options.clone()).header("Call-ID").map(str::to_owned);
        self.say(options);
        self.caller.expect("an answer to OPTIONS", SOON, |sip| {
            sip.header("Call-ID").map(str::to_owned) == call_id
        });
        for stranger in &self.strangers {
            while stranger.waiting() {}
        }
    }

    /// What the process holds in memory, in bytes.
    fn resident(&self) -> u64 {
        let file = format!("/proc/{}/status", self.centre.control_process.pid());
        until("the size of the process", SOON, || {
            let status = std::fs::read_to_string(&file).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        }) << 10
    }
}
