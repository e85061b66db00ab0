//! A centre whose contacts a server is asked about, and what the server says.

use super::Desk;
use patchbay_core::asking::{Answer, AskFailure, Failed};
use patchbay_core::{ContactId, Input, Output, What};

pub const CENTRE: &str = r#"
queue = [{ id = "q", max_wait_seconds = 60 }, { id = "gold" }, { id = "night" }]
agent = [
  { id = "anna", uri = "sip:a@192.0.2.1", queues = ["q", "gold"], skills = { german = 3 } },
  { id = "bert", uri = "sip:b@192.0.2.2", queues = ["q", "gold"], skills = { french = 3 } },
  { id = "nora", uri = "sip:n@192.0.2.3", queues = ["night"] },
]
rule = [
  { id = "tier", when = { expression = 'customer.tier == "gold" && "support" in entitlements' }, then = { queue = "gold" } },
  { id = "all", then = { queue = "q" } },
]
"#;

pub fn asks(keys: &str) -> String {
    let ask = format!(
        r#"id = "crm", url = "https://crm.example.com/", secret = "0123456789abcdef", {keys}"#
    );
    format!("{CENTRE}\nask = [{{ {ask} }}]")
}

pub fn desk(keys: &str) -> Desk {
    Desk::new(&asks(keys))
}

/// Who was asked about since the last look.
pub fn asked(desk: &Desk) -> Vec<u64> {
    let asked = desk.said.iter().filter_map(|output| match output {
        Output::Ask { contact, ask, .. } => {
            assert_eq!(ask.id.as_str(), "crm");
            Some(contact.0)
        }
        _ => None,
    });
    asked.collect()
}

pub fn answers(desk: &mut Desk, contact: ContactId, text: &str) {
    let answer: Answer = serde_json::from_str(text).expect("an answer");
    let answer = Ok(Box::new(answer));
    desk.tell(Input::ContactAsked { contact, answer });
}

pub fn fails(desk: &mut Desk, contact: ContactId, why: AskFailure) {
    let answer = Err(Failed::new(why, "so it is"));
    desk.tell(Input::ContactAsked { contact, answer });
}

/// Rule, queue and reasons of what was typed.
pub fn typed(desk: &Desk) -> (String, String, String) {
    let mut events = desk.events().into_iter();
    let typed = events.find_map(|what| match what {
        What::ContactTyped {
            rule,
            queue,
            because,
            ..
        } => Some((rule.to_string(), queue.to_string(), because.join("; "))),
        _ => None,
    });
    typed.expect("it was typed")
}

pub fn failure(desk: &Desk) -> Option<AskFailure> {
    let mut events = desk.events().into_iter();
    events.find_map(|what| match what {
        What::ContactAsked { failure, .. } => failure,
        _ => None,
    })
}
