//! Whatever the handlers give is what the document says: read as documented, and written back, it
//! is the same.
#![allow(clippy::unwrap_used)]

use patchbay_core::Centre;
use patchbay_core::centre::Strategy;
use patchbay_core::explain::{
    Choice, ConditionVerdict, Considered, Explanation, Outcome, RuleVerdict, Typed, Verdict,
};
use patchbay_core::snapshot::{AgentView, ContactState, ContactView, QueueView, WaitingView};
use patchbay_core::{
    Activity, AgentId, ContactId, EndCause, Facts, Medium, OfferId, QueueId, RefuseReason, RuleId,
    Slot, Status, Way,
};
use patchbay_route::session::{LegView, PairView, SessionState, SessionView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{declaration, explanation, reports, route, sessions, state, trace};
use crate::api::declaration::shown;
use crate::node::{Promise, Routed, Stand};
use crate::store;

fn documented<T: DeserializeOwned + Serialize>(given: &impl Serialize) {
    let given = serde_json::to_value(given).unwrap();
    let read: T = serde_json::from_value(given.clone())
        .unwrap_or_else(|error| panic!("{error} in {given:#}"));
    assert_eq!(serde_json::to_value(read).unwrap(), given);
}

#[test]
fn the_declaration_is_as_documented() {
    let centre: Centre = toml::from_str(
        "[[queue]]\nid = 'q'\n\
         [[agent]]\nid = 'a'\npassword = 'p'\nqueues = ['q']\nskills = { s = 1 }\nlanguages = ['de']\nsite = 'b'\n\
         capacities = { chat = 2 }\nblocks = { chat = ['call'] }\n\
         digest = ['md5']\n\
         [[queue]]\nid = 'w'\nservice_level = { seconds = 20, percent = 80, late = 'behind' }\n\
         overflow = [{ when = 'waited', after_seconds = 9, queue = 'q' },\n\
         { when = 'full', redirect = 'sip:x@y' }, { when = 'no_agents', refuse = 486, say = ['x'], say_seconds = 3 },\n\
         { when = 'pressed', key = '1', call_back = true }]\n\
         waiting = { music = 'm', say = ['position', 'x'] }\n\
         call_back = { at_most = 5 }\n\
         sticky_seconds = 5\n\
         [[agent]]\nid = 'p'\nwebhook = { url = 'https://p.example', secret = '0123456789abcdef' }\n\
         [[agent]]\nid = 'b'\nuri = 'sip:b@c'\ntiers = { q = 2 }\nweights = { q = 2 }\n\
         [[rule]]\nid = 'r'\nwhen = { to = 'x', hours = { from = '08:00' }, calendar = '!k' }\n\
         then = { queue = 'q', skills = { s = 1 }, language = 'de', site = 'b', call_type = 'c', \
         relax = [{ after_seconds = 3 }] }\n\
         [[calendar]]\nid = 'k'\nopen = [{ days = ['mon'] }]\n\
         holidays = ['*-01-01', { date = 'easter', from = '12:00' }]\n\
         exceptions = [{ date = '2026-12-27', name = 'Sale' }]\n\
         [[rule]]\nid = 's'\nwhen = { expression = 'time.hour < 8', zone = 'UTC' }\n\
         then = { queue = 'q', attributes = { tier = 'gold' } }\n\
         [[rule]]\nid = 'm'\nwhen = { answer = { m = 'x' } }\nthen = { menu = 'm' }\n\
         [[site]]\nid = 'l'\nurl = 'https://l.example'\ntoken = 't'\nedge = 'sip:l.example'\n\
         queues = { q = 'q' }\n\
         [[menu]]\nid = 'm'\ntitle = 't'\nsay = ['hi']\ndefault = 'x'\n\
         [[menu.choice]]\nkey = '1'\nanswer = 'x'\ntitle = 'X'\n\
         [[ask]]\nid = 'crm'\nurl = 'http://127.0.0.1/'\nsecret = '0123456789abcdef'\n\
         when = 'true'\nzone = 'UTC'\non_failure = 'q'\ninsecure = true\n[offers]\n",
    )
    .unwrap();
    documented::<declaration::Declaration>(&shown(&centre));
    for rule in &centre.rules {
        documented::<declaration::RuleDeclaration>(rule);
    }
}

#[test]
fn contacts_that_are_carried_outside_are_as_documented() {
    let (offer, agent) = (OfferId(1), AgentId::new("a"));
    let queue = QueueId::new("q");
    let offered = Stand::Offered {
        offer,
        agent: agent.clone(),
        uri: None,
        claim: Some("claim-1-2-3".into()),
        ring_seconds: 20,
        queue: queue.clone(),
        ringing: false,
        choice: Choice::default(),
    };
    for state in [
        Stand::Asking,
        Stand::Scheduled {
            queue: queue.clone(),
        },
        Stand::Queued {
            queue,
            position: 1,
            expected_ms: None,
        },
        offered,
        Stand::Connected {
            offer,
            agent: agent.clone(),
            uri: Some("https://chat.example/room/7".into()),
        },
        Stand::Ended {
            offer,
            agent,
            cause: EndCause::Reported,
        },
        Stand::Refused {
            status: 480,
            why: RefuseReason::QueueFull,
            retry_after_s: None,
        },
        Stand::Redirected { to: "sip:a".into() },
        Stand::Abandoned,
    ] {
        documented::<route::Routed>(&Routed {
            contact: ContactId(2),
            revision: 1,
            asked_by: None,
            call_back: Some(Promise {
                to: "tel:+4930123456".into(),
                due_unix_ms: 1,
                tries: 0,
            }),
            state,
        });
    }
}

fn agent(status: Status, activity: Activity) -> AgentView {
    AgentView {
        id: AgentId::new("a"),
        name: "A".into(),
        status,
        reachable: true,
        activity,
        since_unix_ms: 1,
        available: true,
        free_for: vec![Slot::Chat],
        capacity: 1,
        calls: 1,
        skills: [("s".to_owned(), 1)].into(),
        queues: vec![QueueId::new("q")],
        missed: 1,
        declared: true,
    }
}

#[test]
fn agents_queues_and_contacts_are_as_documented() {
    let (offer, contact) = (OfferId(1), ContactId(2));
    let until_unix_ms = 3;
    for activity in [
        Activity::Idle,
        Activity::Reserved { offer, contact },
        Activity::InCall { offer, contact },
        Activity::WrapUp { until_unix_ms },
        Activity::Resting { until_unix_ms },
    ] {
        documented::<state::AgentView>(&agent(Status::Ready, activity));
    }
    for status in [
        Status::Ready,
        Status::LoggedOut,
        Status::Paused {
            reason: "lunch".into(),
        },
    ] {
        documented::<state::Status>(&status);
        documented::<state::AgentView>(&agent(status, Activity::Idle));
    }
    documented::<state::QueueView>(&QueueView {
        id: QueueId::new("q"),
        waiting: vec![WaitingView {
            contact,
            position: 1,
            priority: -1,
            waited_ms: 1,
            expected_ms: Some(1),
            offered_to: vec![AgentId::new("a")],
        }],
        max_length: 1,
        connected: 1,
        agents: 1,
        agents_staffed: 1,
        agents_available: 1,
        expected_wait_ms: Some(1),
        expected_wait_error_ms: Some(1),
    });
    documented::<state::ContactView>(&ContactView {
        id: contact,
        state: ContactState::Offered,
        queue: None,
        call_type: "c".into(),
        rule: None,
        agent: None,
        offer: Some(offer),
        waits_for: Some(AgentId::new("a")),
        from: "f".into(),
        to: "t".into(),
        media: vec!["audio".into()],
        medium: Slot::Chat,
        carried: Way::Outside,
        priority: 0,
        attributes: [("tier".to_owned(), "gold".to_owned())].into(),
        arrived_unix_ms: 1,
        answered_unix_ms: None,
    });
    documented::<state::PastContact>(&store::PastContact {
        id: contact,
        outcome: store::Outcome::Lost,
        rule: None,
        call_type: None,
        queue: None,
        agent: None,
        from: None,
        to: None,
        offers: 1,
        end_cause: Some(EndCause::Bye),
        refuse_reason: Some(RefuseReason::NoRule),
        status: Some(480),
        began_unix_ms: 1,
        ended_unix_ms: None,
        waited_ms: 1,
        talk_ms: 1,
        first_cursor: 1,
        last_cursor: 1,
    });
}

fn explained(outcome: Outcome) -> Explanation {
    let condition = ConditionVerdict {
        condition: "to".into(),
        wanted: "w".into(),
        found: "f".into(),
        holds: true,
    };
    let lacks = Verdict::LacksSkill {
        skill: "s".into(),
        needs: 2,
        has: 1,
    };
    Explanation {
        asks: Some("crm".into()),
        media: vec!["audio".into()],
        unusable: vec!["video: why".into()],
        rules: vec![RuleVerdict {
            rule: RuleId::new("r"),
            matched: true,
            conditions: vec![condition],
        }],
        typed: Some(Typed {
            rule: RuleId::new("r"),
            call_type: "c".into(),
            queue: QueueId::new("q"),
            skills: [("s".to_owned(), 1)].into(),
            priority: 1,
            attributes: [("tier".to_owned(), "gold".to_owned())].into(),
        }),
        choice: Some(Choice {
            chosen: None,
            qualified: 1,
            free: 0,
            strategy: Strategy::LongestIdle,
            last_agent: true,
            relaxed: 1,
            considered: vec![Considered {
                agent: AgentId::new("a"),
                verdict: lacks,
            }],
        }),
        outcome,
    }
}

#[test]
fn facts_and_explanations_are_as_documented() {
    for outcome in [
        Outcome::Offer {
            agent: AgentId::new("a"),
        },
        Outcome::Menu { menu: "m".into() },
        Outcome::Queue { position: 1 },
        Outcome::Refuse {
            status: 480,
            why: RefuseReason::QueueFull,
        },
    ] {
        documented::<explanation::Explanation>(&explained(outcome));
    }
    let facts = Facts {
        headers: vec![("a".into(), "b".into())],
        media: vec![Medium::default()],
        source: "192.0.2.1:5060".parse().ok(),
        customer: [("tier".to_owned(), "gold".to_owned())].into(),
        answers: [("language".to_owned(), "2".to_owned())].into(),
        entitlements: vec!["premium".into()],
        choice: vec!["sales".into()],
        call_back: Some(patchbay_core::CallBackWish {
            to: "sip:a@b".into(),
            at_unix_ms: Some(1),
        }),
        earlier: patchbay_core::Earlier {
            contacts: 2,
            agent: Some(AgentId::new("a")),
            queue: Some(QueueId::new("q")),
            seconds_ago: Some(1),
        },
        ..Facts::default()
    };
    documented::<explanation::Facts>(&facts);
}

#[test]
fn sessions_are_as_documented() {
    let leg = LegView {
        local: "192.0.2.1:4000".parse().ok(),
        ..LegView::default()
    };
    let session = SessionView {
        id: "s".into(),
        contact: "c".into(),
        offer: "o".into(),
        agent: "a".into(),
        agent_uri: "sip:a".into(),
        client_uri: "sip:c".into(),
        state: SessionState::Ringing,
        started_unix_ms: 1,
        answered_unix_ms: None,
        pairs: vec![PairView {
            medium: "audio".into(),
            client: leg.clone(),
            agent: leg,
        }],
    };
    let mut value = serde_json::to_value(session).unwrap();
    value["relay"] = Value::String("http://192.0.2.1:8090".into());
    documented::<sessions::Session>(&value);
}

#[test]
fn lines_of_a_trace_are_as_documented() {
    use patchbay_route::trace::{Content, TraceEnd, TraceLine, TracedMessage, Way};
    let message = TracedMessage {
        at_unix_us: 1,
        relay: "http://r".into(),
        way: Way::In,
        transport: "UDP".into(),
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "192.0.2.9:5060".parse().unwrap(),
        control: true,
        call: "c".into(),
        contact: "k".into(),
        session: "s".into(),
        agent: "a".into(),
        content: Content::new(b"x"),
    };
    let bare = TracedMessage {
        control: false,
        call: String::new(),
        contact: String::new(),
        session: String::new(),
        agent: String::new(),
        content: Content::new(&[0xff]),
        ..message.clone()
    };
    let unreachable = TraceLine::Unreachable {
        relay: "r".into(),
        error: "e".into(),
    };
    for line in [
        TraceLine::Message(message),
        TraceLine::Message(bare),
        TraceLine::Lost(7),
        unreachable,
        TraceLine::End(TraceEnd::Shown),
    ] {
        documented::<trace::TraceLine>(&line);
    }
}

#[test]
fn rows_of_reports_and_records_are_as_documented() {
    use crate::report::{By, Subject, Sums, row};
    let mut sums = Sums {
        offered: 2,
        ..Sums::default()
    };
    sums.waits.add(1);
    for sums in [sums, Sums::default()] {
        let queue = (1, Subject::Queue(QueueId::new("q")));
        documented::<reports::QueueRow>(&row(By::Queue, &queue, &sums));
        let agent = (1, Subject::Agent(AgentId::new("a")));
        documented::<reports::AgentRow>(&row(By::Agent, &agent, &sums));
        documented::<reports::StepRow>(&row(By::Time, &(1, Subject::All), &sums));
    }
    let call = crate::story::Call::new(ContactId(1), 1);
    documented::<reports::Record>(&crate::records::record(&call));
}
