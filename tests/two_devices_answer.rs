//! Two phones of one agent ring together and pick up at the same instant: one has the call, the
//! other is hung up, and the caller hears of one only.

use crate::support;

use support::sipp::received;
use support::{CALL, CALLER, Declaration, SOON, Setup, Sipp, have};

/// How often the phones race.
const ROUNDS: usize = 3;

// A5
#[test]
fn one_of_two_phones_that_pick_up_together_has_the_call() {
    if !have(&["sipp"]) {
        return;
    }
    let centre = Setup::default().control(support::centre::MD5_ONLY).start();
    centre.apply(&Declaration::new().registers("anna", "secret"));
    let phones = [centre.agent_address(), centre.agent_address()];
    for phone in phones {
        let register = Sipp::register("anna", "secret", phone, &centre)
            .word("seconds", "600")
            .word("status", "200");
        register.start().succeeds(SOON);
    }
    centre.wait_available("anna");

    for _ in 0..ROUNDS {
        let agents = phones.map(|phone| Sipp::agent("agent_races.xml", phone, &centre).start());
        let caller = Sipp::caller("caller.xml", CALLER, &centre).start();
        let heard = caller.succeeds(CALL);
        let answers: Vec<_> = received(&heard)
            .filter(|sip| sip.is_answer(200, "INVITE"))
            .filter_map(|sip| sip.header("To").map(str::to_owned))
            .collect();
        assert!(!answers.is_empty());
        assert!(answers.iter().all(|to| *to == answers[0]), "{answers:?}");
        assert!(
            !received(&heard).any(|sip| sip.is_request("BYE")),
            "the caller is not told of the other phone"
        );
        let mut byes = Vec::new();
        for agent in agents {
            let seen = agent.succeeds(SOON);
            let invites = received(&seen).filter(|sip| sip.is_request("INVITE"));
            assert!(invites.count() >= 1, "both phones are called");
            assert!(received(&seen).any(|sip| sip.is_request("ACK")));
            byes.push(received(&seen).filter(|sip| sip.is_request("BYE")).count());
        }
        assert_eq!(byes.len(), 2);
        centre.wait_empty();
        centre.wait_available("anna");
    }
}
