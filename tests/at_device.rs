//! Whole calls whose media are sent on at a network device, with phones beyond a wire.

use crate::support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed};
use std::time::Duration;

use serde_json::Value;
use support::baresip::Baresip;
use support::beyond::{ANNA, Beyond, CARLA, DEVICE, HERE};
use support::media::FRAME;
use support::sipp::Phone;
use support::{CALL, Centre, Declaration, Media, SOON, Setup, Sipp, have, until};

/// Bytes of one packet of audio.
const PACKET: u64 = 12 + FRAME as u64;

/// Between packets of a stream.
const PAUSE: Duration = Duration::from_millis(15);

/// Ends a stream, also when the test fails.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Waits until so many more packets are on their way.
fn wait_for_more(said: &AtomicU16, count: u16) {
    let enough = said.load(Relaxed) + count;
    until("more is said", SOON, || {
        (said.load(Relaxed) >= enough).then_some(())
    });
}

/// A call between phones beyond the device, with counted audio on both sides.
struct Call {
    centre: Centre,
    carla: Media,
    anna: Media,
    agent: Phone,
    caller: Phone,
    to_anna: SocketAddr,
    to_carla: SocketAddr,
    /// Packets that each has sent.
    said: u16,
    beyond: Beyond,
}

/// A relay of its own, at the device, whose settled flows outlive it in `directory` if there is one.
fn setup(directory: Option<&std::path::Path>) -> Setup {
    let keep = directory.map(|directory| {
        format!(
            "hand_over = true\npin_directory = \"{}\"",
            directory.display()
        )
    });
    let keys = format!(
        "engine = \"auto\"\ninterfaces = [\"{DEVICE}\"]\n{}",
        keep.unwrap_or_default()
    );
    Setup::default().apart().also_at(HERE).relay(&keys)
}

impl Call {
    /// Both phones by their scenarios and the lengths of their pauses.
    fn begin(
        beyond: Beyond,
        setup: Setup,
        agent: (&'static str, Duration),
        caller: (&'static str, Duration),
    ) -> Call {
        let mut centre = setup.start();
        centre.edge.set_ip(HERE);
        let (carla, anna) = beyond.there(|| {
            let open = |ip| Media::open(ip, &centre.ports);
            (open(CARLA), open(ANNA))
        });
        let (agent, caller) = connect(&beyond, &centre, ("anna", &anna), &carla, agent, caller);
        let to_anna = caller.answered().audio().expect("an answer with audio");
        let offer = agent.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
        let to_carla = offer.audio().expect("an offer with audio");
        assert_eq!([to_anna.ip(), to_carla.ip()], [HERE; 2]);
        centre.wait_in_call("anna");
        Call {
            centre,
            carla,
            anna,
            agent,
            caller,
            to_anna,
            to_carla,
            said: 0,
            beyond,
        }
    }

    /// Both talk; all of it arrives, each packet once and in its turn.
    fn talk(&mut self) {
        self.talk_while(|_, said| wait_for_more(said, 25));
    }

    /// Both talk, while something is done to the centre: all of it arrives, each packet once and in its
    /// turn.
    fn talk_while(&mut self, what: impl FnOnce(&mut Centre, &AtomicU16)) {
        let (said, stop) = (AtomicU16::new(self.said), AtomicBool::new(false));
        let parties = [(&self.carla, self.to_anna), (&self.anna, self.to_carla)];
        std::thread::scope(|threads| {
            threads.spawn(|| {
                while !stop.load(Relaxed) {
                    for number in said.load(Relaxed)..said.load(Relaxed) + 5 {
                        for (party, to) in parties {
                            party.talk(to, number + 1, 1);
                        }
                        std::thread::sleep(PAUSE);
                    }
                    said.fetch_add(5, Relaxed);
                }
            });
            let _stop = StopAtEnd(&stop);
            what(&mut self.centre, &said);
        });
        self.said = said.load(Relaxed);
        let all: Vec<u16> = (1..=self.said).collect();
        for (hears, speaks) in [(&self.anna, &self.carla), (&self.carla, &self.anna)] {
            hears.wait_intact(speaks.ssrc(), all.len(), SOON);
            assert_eq!(hears.intact_from(speaks.ssrc()), all);
        }
    }

    /// Messages that both phones have received so far.
    fn received(&self) -> usize {
        let of = |phone: &Phone| support::sipp::received(&phone.messages()).count();
        of(&self.agent) + of(&self.caller)
    }

    /// Waits until a phone has sent its `number`-th INVITE and it was answered.
    fn reinvited(&self, phone: &Phone, number: u32) {
        phone.receives("the answer to its re-INVITE", CALL, |sip| {
            sip.is_answer(200, "INVITE") && sip.header("CSeq") == Some(&format!("{number} INVITE"))
        });
    }

    /// Both phones end as their scenarios say; what the journal has of the call.
    fn ends(self) -> Value {
        self.caller.succeeds(CALL);
        self.agent.succeeds(SOON);
        self.centre.wait_empty();
        let ended = until("the journal has a line", SOON, || {
            self.centre.ended_sessions().pop()
        });
        drop(self.beyond);
        ended
    }
}

/// Starts the phones of an agent, who is declared as the only one, and of a caller.
fn connect(
    beyond: &Beyond,
    centre: &Centre,
    (name, anna): (&str, &Media),
    carla: &Media,
    agent: (&'static str, Duration),
    caller: (&'static str, Duration),
) -> (Phone, Phone) {
    let at = SocketAddr::new(ANNA, centre.ports.next());
    centre.apply(&Declaration::new().at(name, at));
    beyond.there(|| {
        let (scenario, pause) = agent;
        let agent = Sipp::agent(scenario, at, centre).media(anna).hold(pause);
        let agent = agent.start();
        let (scenario, pause) = caller;
        let caller = Sipp::caller(scenario, CARLA, centre)
            .media(carla)
            .hold(pause);
        (agent, caller.start())
    })
}

/// A number of the relay's metrics.
fn metric(centre: &Centre, name: &str) -> u64 {
    let answer = centre.relay_api.request("GET", "/metrics", None);
    let line = answer.text.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {}", answer.text));
    let number = line.rsplit(' ').next().unwrap_or_default();
    number.parse().expect("a number")
}

fn sent_on(centre: &Centre) -> u64 {
    metric(
        centre,
        "patchbay_engine_device_packets_total{fate=\"sent_on\"}",
    )
}

fn orphans(centre: &Centre) -> u64 {
    metric(centre, "patchbay_engine_device_orphans")
}

// F7 B6 B7
#[test]
fn a_call_with_hold_passes_at_the_device_and_is_counted_exactly() {
    if !have(&["sipp", "ip"]) {
        return;
    }
    let agent = ("agent_holds.xml", Duration::from_secs(2));
    let caller = ("caller_held.xml", Duration::ZERO);
    let mut call = Call::begin(Beyond::join(), setup(None), agent, caller);
    let log = call.centre.relay_process.as_ref().expect("a relay").log();
    assert!(
        log.contains("settled flows at here (generic), the rest steered"),
        "{log}"
    );
    call.talk();
    let by_device = sent_on(&call.centre);
    assert!(by_device >= 2 * 25 - 10, "{by_device} at the device");
    call.reinvited(&call.agent, 2);
    call.reinvited(&call.agent, 3);
    call.talk();
    assert!(
        sent_on(&call.centre) >= by_device + 2 * 25 - 10,
        "settled anew"
    );
    let said = u64::from(call.said);
    let ended = call.ends();
    for leg in ["client", "agent"] {
        let leg = &ended["pairs"][0][leg];
        assert_eq!(leg["packets"], said, "{ended}");
        assert_eq!(leg["bytes"], said * PACKET, "{ended}");
    }
}

// F7 D12
#[test]
fn a_baresip_beyond_the_device_is_heard_and_hears() {
    if !have(&["sipp", "baresip", "ip"]) {
        return;
    }
    let beyond = Beyond::join();
    let setup = setup(None).control(support::centre::MD5_ONLY);
    let mut centre = setup.start();
    centre.edge.set_ip(HERE);
    centre.apply(&Declaration::new().registers("anna", "secret"));
    // It takes the first address that its host has.
    let words = ["anna", "secret"];
    let mut phone = beyond.there(|| Baresip::start_at(CARLA, centre.edge, &centre, "udp", words));
    centre.wait_available("anna");
    let carla = beyond.there(|| Media::open(ANNA, &centre.ports));
    let caller = beyond.there(|| {
        let caller = Sipp::caller("caller.xml", ANNA, &centre).media(&carla);
        caller.hold(Duration::from_secs(3)).start()
    });
    let to_anna = caller.answered().audio().expect("an answer with audio");
    carla.talk(to_anna, 1, 50);
    until("a second of baresip's audio", SOON, || {
        (carla.arrived().len() > 50).then_some(())
    });
    assert!(sent_on(&centre) > 80, "{} at the device", sent_on(&centre));
    caller.succeeds(CALL);
    centre.wait_empty();
    phone.close();
    assert!(phone.heard().iter().any(|sample| *sample != 0));
}

// F7 B1 F4 G1
#[test]
fn a_restart_loses_no_packet_of_a_call_at_the_device() {
    if !have(&["sipp", "ip"]) {
        return;
    }
    let mut beyond = Beyond::join();
    let setup = setup(Some(&beyond.bpf())).hand_over();
    let agent = ("agent_holds.xml", Duration::from_secs(8));
    let caller = ("caller_held.xml", Duration::ZERO);
    let mut call = Call::begin(beyond, setup, agent, caller);
    call.talk();
    let received = call.received();
    call.talk_while(|centre, said| {
        centre.stop_relay();
        wait_for_more(said, 25);
        centre.start_relay();
        wait_for_more(said, 25);
    });
    assert_eq!(call.received(), received, "the phones were told nothing");
    assert_eq!(orphans(&call.centre), 0);
    assert!(sent_on(&call.centre) > 0, "by the new process's count too");
    call.reinvited(&call.agent, 2);
    call.reinvited(&call.agent, 3);
    call.talk();
    let said = u64::from(call.said);
    let ended = call.ends();
    for leg in ["client", "agent"] {
        assert_eq!(ended["pairs"][0][leg]["packets"], said, "{ended}");
    }
}

// F7 B1 F4 G1
#[test]
fn a_relay_that_is_killed_loses_no_packet_either_and_its_ports_go_to_nobody_else() {
    if !have(&["sipp", "ip"]) {
        return;
    }
    let mut beyond = Beyond::join();
    // Ports for two calls.
    let setup = setup(Some(&beyond.bpf())).hand_over().media_ports(8);
    let agent = ("agent.xml", Duration::ZERO);
    let caller = ("caller.xml", Duration::from_secs(60));
    let mut call = Call::begin(beyond, setup, agent, caller);
    call.talk();
    let received = call.received();
    call.talk_while(|centre, said| {
        centre.relay_process.as_mut().expect("a relay").kill();
        wait_for_more(said, 25);
        centre.start_relay();
        wait_for_more(said, 25);
    });
    assert_eq!(call.received(), received, "the phones were told nothing");
    assert!(call.centre.relay_sessions().is_empty());
    assert_eq!(orphans(&call.centre), 2);

    // Another call has other ports; the flows of the first one do not notice.
    let [carl, bert] = call.beyond.there(|| {
        let open = |ip| Media::open(ip, &call.centre.ports);
        [open(CARLA), open(ANNA)]
    });
    let (agent, caller) = connect(
        &call.beyond,
        &call.centre,
        ("bert", &bert),
        &carl,
        ("agent.xml", Duration::ZERO),
        ("caller.xml", Duration::from_secs(3)),
    );
    let to_bert = caller.answered().audio().expect("an answer with audio");
    let offer = agent.receives("an INVITE", SOON, |sip| sip.is_request("INVITE"));
    let to_carl = offer.audio().expect("an offer with audio");
    for port in [to_bert, to_carl] {
        assert!(![call.to_anna, call.to_carla].contains(&port), "{port}");
    }
    call.talk_while(|_, _| {
        carl.talk(to_bert, 1, 25);
        bert.wait_intact(carl.ssrc(), 25, SOON);
    });
    assert_eq!(orphans(&call.centre), 2);
    caller.succeeds(CALL);
    agent.succeeds(SOON);
    call.centre.wait_empty();
}
