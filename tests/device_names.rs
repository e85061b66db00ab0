//! Devices with names of their own (GRUU, RFC 5627): a call to such a name rings there and nowhere else.

use crate::support;

use std::net::SocketAddr;

use support::sipp::received;
use support::{CALL, CALLER, Centre, Declaration, SOON, Setup, Sipp, have};

const DESK: &str = "urn:uuid:00000000-0000-1000-8000-00000000000a";
const MOBILE: &str = "urn:uuid:00000000-0000-1000-8000-00000000000b";

/// A name as sipp writes it: the user part, and what follows the host.
type Name = (String, String);

/// Registers a device for so many seconds, and gives its public and its temporary name.
fn register(centre: &Centre, phone: SocketAddr, instance: &str, seconds: &str) -> Vec<Name> {
    let contact = format!(
        "<sip:anna@{phone};transport=[transport]>;+sip.instance=\"<{instance}>\"\nSupported: path, gruu"
    );
    let device = Sipp::caller("register.xml", phone.ip(), centre)
        .at(phone)
        .calls_for("anna")
        .without_echo()
        .word("contact", contact)
        .word("user", "anna")
        .word("password", "secret")
        .word("seconds", seconds)
        .word("status", "200");
    let seen = device.start().succeeds(SOON);
    let ok = received(&seen).find(|sip| sip.is_answer(200, "REGISTER"));
    let ok = ok.unwrap();
    let of_device = ok.headers("Contact").find(|c| c.contains(instance));
    let names = ["pub-gruu=\"", "temp-gruu=\""]
        .into_iter()
        .filter_map(|kind| {
            let (_, rest) = of_device?.split_once(kind)?;
            let (uri, _) = rest.split_once('"')?;
            let (user, host) = uri.strip_prefix("sip:")?.split_once('@')?;
            let (_, parameters) = host.split_once(';')?;
            Some((user.to_owned(), format!(";{parameters}")))
        });
    names.collect()
}

fn call(centre: &Centre, (user, parameters): &Name, scenario: &'static str) -> Sipp {
    Sipp::caller(scenario, CALLER, centre)
        .calls_for(user)
        .word("target", parameters)
}

fn refused(centre: &Centre, name: &Name, status: &str) {
    let caller = call(centre, name, "caller_refused.xml").word("status", status);
    caller.start().succeeds(CALL);
}

// A5: RFC 5627 sections 3.1 and 5.4
#[test]
fn a_call_to_a_devices_name_rings_there_alone() {
    if !have(&["sipp"]) {
        return;
    }
    // sipp 3.6 knows MD5 only and gives up when anything else is offered first.
    let centre = Setup::default().control(support::centre::MD5_ONLY).start();
    // Rules type calls to agents as any others.
    let rules = ["anna@*", "tgruu.*"].map(|to| {
        let when = format!("when = {{ to = \"{to}\" }}\nthen = {{ queue = \"support\" }}");
        format!("[[rule]]\nid = \"{}\"\n{when}\n", &to[..4])
    });
    let declared = Declaration::new().registers("anna", "secret");
    centre.apply(&declared.rules(&rules.concat()));
    let (desk, mobile) = (centre.agent_address(), centre.agent_address());
    let desks = register(&centre, desk, DESK, "600");
    let mobiles = register(&centre, mobile, MOBILE, "600");
    assert_eq!(mobiles[0], ("anna".to_owned(), format!(";gr={MOBILE}")));
    assert!(!desks[1].0.contains("anna"), "{desks:?}");
    centre.wait_available("anna");

    for (name, rings, silent) in [(&mobiles[0], mobile, desk), (&desks[1], desk, mobile)] {
        let other = Sipp::agent("agent.xml", silent, &centre).start();
        let agent = Sipp::agent("agent.xml", rings, &centre).start();
        let caller = call(&centre, name, "caller.xml").start();
        caller.answered();
        // She is in a call now, and nobody waits for one person.
        centre.wait_in_call("anna");
        refused(&centre, name, "480");
        caller.succeeds(CALL);
        let seen = agent.succeeds(SOON);
        assert!(received(&seen).any(|sip| sip.is_request("INVITE")));
        assert!(
            other.messages().is_empty(),
            "the other device is left alone"
        );
        centre.wait_empty();
        centre.wait_available("anna");
    }

    // A device that has gone has no calls, a name that was never given neither.
    register(&centre, mobile, MOBILE, "0");
    refused(&centre, &mobiles[0], "480");
    refused(&centre, &mobiles[1], "404");
    let forged = (desks[1].0.replace("tgruu.", "tgruu.0"), ";gr".to_owned());
    refused(&centre, &forged, "404");
}
