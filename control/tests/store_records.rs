//! Records in each form, as other programs read them (F5).
#![allow(clippy::unwrap_used)]

use crate::store_support;

use patchbay_control::records::{Memberships, QueueLog, cdr, record};
use patchbay_control::story::{Call, Calls, Range};
use patchbay_control::table::defused;
use patchbay_core::centre::OverflowWhen;
use patchbay_core::{
    AgentId, ContactId, EndCause, Event, OfferEnd, OfferId, QueueId, RefuseReason, Status, What,
};
use patchbay_route::session::EndedBy;
use store_support::{
    abandoned, connected_by, ended_by, event, failed, moved, offered, paused, queued, redirected,
    refused_for, second_agent_answers, status, typed,
};

const RANGE: Range = Range {
    from: 0,
    to: 1_000_000,
};

/// A morning: ben does not answer and anna does; one gives up while ben's phone rings, one after all agents
/// are busy; one waits too long; one finds the queue full, one finds nobody; agents come, pause and go.
fn morning() -> Vec<Event> {
    let mut events = vec![
        event(1_000, What::ControlStarted),
        status("anna", Status::Ready, true, 2_000),
        status("ben", Status::Ready, false, 2_000),
        status("ben", Status::Ready, true, 3_000),
        status("ben", paused("lunch | late"), true, 4_000),
        status("ben", Status::Ready, true, 5_000),
    ];
    events.extend(second_agent_answers());
    events.extend([
        typed(2, 100_000),
        offered(2, 21, "ben", 100_000),
        abandoned(2, 4_500, 104_500),
        // Told late: the offer was taken back when its caller gave up.
        failed(2, 21, "ben", OfferEnd::CallerGone, 104_600),
        typed(3, 110_000),
        queued(3, 4, 110_000),
        queued(3, 2, 115_000),
        abandoned(3, 9_000, 119_000),
        typed(4, 120_000),
        queued(4, 1, 120_000),
        refused_for(4, RefuseReason::WaitedTooLong, 60_000, 180_000),
        typed(5, 190_000),
        refused_for(5, RefuseReason::QueueFull, 0, 190_000),
        typed(6, 191_000),
        refused_for(6, RefuseReason::NoAgents, 0, 191_000),
        typed(7, 200_000),
        offered(7, 71, "anna", 200_000),
        connected_by(7, 71, "anna", 2_000, 202_000),
        ended_by(7, 71, "anna", Some(EndedBy::Agent), 30_000, 232_000),
        status("ben", paused(""), true, 240_000),
        status("ben", Status::LoggedOut, true, 241_000),
    ]);
    events
}

fn finished(events: &[Event]) -> Vec<Call> {
    let mut calls = Calls::new(RANGE);
    let mut over: Vec<Call> = events.iter().flat_map(|event| calls.take(event)).collect();
    over.extend(calls.finish(1_000_000));
    over
}

fn queue_log(events: &[Event], range: Range) -> String {
    let queues = |names: &[&str]| names.iter().map(|name| QueueId::new(*name)).collect();
    let memberships = Memberships::from([
        (AgentId::new("anna"), queues(&["support"])),
        (AgentId::new("ben"), queues(&["sales", "support"])),
    ]);
    let mut log = QueueLog::new(range, memberships);
    let mut text = String::new();
    for event in events {
        match event.unix_ms < range.from {
            true => log.before(event),
            false => text.push_str(&log.take(event)),
        }
    }
    text
}

#[test]
fn the_queue_log_is_as_app_queue_writes_it() {
    let expected = "\
1|NONE|NONE|NONE|QUEUESTART|
2|NONE|support|anna|ADDMEMBER|
3|NONE|sales|ben|ADDMEMBER|
3|NONE|support|ben|ADDMEMBER|
4|NONE|sales|ben|PAUSE|lunch   late
4|NONE|support|ben|PAUSE|lunch   late
5|NONE|sales|ben|UNPAUSE|
5|NONE|support|ben|UNPAUSE|
10|0000000000000001|support|NONE|ENTERQUEUE||caller|2
15|0000000000000001|support|ben|RINGNOANSWER|3000
16|0000000000000001|support|anna|CONNECT|6|000000000000000c|1
76|0000000000000001|support|anna|COMPLETECALLER|6|60|2
100|0000000000000002|support|NONE|ENTERQUEUE||caller|1
104|0000000000000002|support|ben|RINGCANCELED|4500
104|0000000000000002|support|NONE|ABANDON|1|1|4
110|0000000000000003|support|NONE|ENTERQUEUE||caller|4
119|0000000000000003|support|NONE|ABANDON|2|4|9
120|0000000000000004|support|NONE|ENTERQUEUE||caller|1
180|0000000000000004|support|NONE|EXITWITHTIMEOUT|1|1|60
191|0000000000000006|support|NONE|ENTERQUEUE||caller|1
191|0000000000000006|support|NONE|EXITEMPTY|1|1|0
200|0000000000000007|support|NONE|ENTERQUEUE||caller|1
202|0000000000000007|support|anna|CONNECT|2|0000000000000047|2
232|0000000000000007|support|anna|COMPLETEAGENT|2|30|1
240|NONE|sales|ben|PAUSE|
240|NONE|support|ben|PAUSE|
241|NONE|sales|ben|REMOVEMEMBER|
241|NONE|support|ben|REMOVEMEMBER|
";
    assert_eq!(queue_log(&morning(), RANGE), expected);
}

#[test]
fn a_queue_log_has_each_call_once_however_the_time_is_cut() {
    let mut events = morning();
    // An end that is told again, and a failure that is told after the end.
    let again = ended_by(7, 71, "anna", Some(EndedBy::Agent), 30_000, 233_000);
    events.extend([
        again,
        failed(7, 72, "ben", OfferEnd::AnsweredElsewhere, 234_000),
    ]);
    let cuts = [0, 16_000, 104_000, 150_000, 210_000, 1_000_000];
    let parts = cuts.windows(2).map(|cut| {
        let range = Range {
            from: cut[0],
            to: cut[1],
        };
        queue_log(&events, range)
    });
    let mut parts: Vec<String> = parts
        .flat_map(|part| part.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let whole = queue_log(&events, RANGE);
    let mut whole: Vec<&str> = whole.lines().collect();
    let ends = ["COMPLETE", "ABANDON", "EXIT"];
    for id in [1, 2, 3, 4, 6, 7] {
        let id = format!("|{:016x}|", id);
        let of = whole.iter().filter(|line| line.contains(&id));
        let over = of.filter(|line| ends.iter().any(|end| line.contains(end)));
        assert_eq!(over.count(), 1, "{id} in {whole:#?}");
    }
    parts.sort_unstable();
    whole.sort_unstable();
    assert_eq!(parts, whole);
}

#[test]
fn our_own_records_say_what_became_of_each_contact() {
    let calls = finished(&morning());
    let rows: Vec<_> = calls.iter().map(record).collect();
    assert_eq!(
        rows[0].head(),
        "id,arrived,queue,call_type,rule,from,to,offers,agents_tried,agent,waited_ms,rang_ms,\
         talked_ms,held_ms,answered,ended,disposition,reason,ended_by,call_back_promised\r\n"
    );
    let expected = "\
0000000000000001,1970-01-01T00:00:10.000Z,support,help,support,sip:caller@example.org,\
sip:support@example.com,2,ben:no_answer anna:answered,anna,6500,4500,60000,0,\
1970-01-01T00:00:16.500Z,1970-01-01T00:01:16.500Z,served,bye,client,\r\n\
0000000000000002,1970-01-01T00:01:40.000Z,support,help,support,sip:caller@example.org,\
sip:support@example.com,1,ben:caller_gone,,4500,4500,0,0,,1970-01-01T00:01:44.500Z,abandoned,,,\r\n";
    let lines: String = rows.iter().take(2).map(|row| row.line()).collect();
    assert_eq!(lines, expected);
    let json = serde_json::to_value(&rows[3]).unwrap();
    assert_eq!(json["disposition"], "refused");
    assert_eq!(json["reason"], "waited_too_long");
    assert_eq!(json["waited_ms"], 60_000);
    assert_eq!(rows.len(), 7);
}

#[test]
fn call_detail_records_have_the_columns_of_cdr_csv() {
    let calls = finished(&morning());
    let lines: String = [&calls[0], &calls[2], &calls[3]]
        .into_iter()
        .map(cdr)
        .collect();
    let expected = "\
\"\",\"caller\",\"support\",\"help\",\"<caller>\",\"SIP/caller-0000000000000001\",\
\"SIP/anna-0000000000000001\",\"Queue\",\"support\",\"1970-01-01 00:00:10\",\
\"1970-01-01 00:00:16\",\"1970-01-01 00:01:16\",66,60,\"ANSWERED\",\"DOCUMENTATION\",\
\"0000000000000001\",\"support\"\n\
\"\",\"caller\",\"support\",\"help\",\"<caller>\",\"SIP/caller-0000000000000003\",\"\",\"Queue\",\
\"support\",\"1970-01-01 00:01:50\",,\"1970-01-01 00:01:59\",9,0,\"NO ANSWER\",\
\"DOCUMENTATION\",\"0000000000000003\",\"support\"\n\
\"\",\"caller\",\"support\",\"help\",\"<caller>\",\"SIP/caller-0000000000000004\",\"\",\"Queue\",\
\"support\",\"1970-01-01 00:02:00\",,\"1970-01-01 00:03:00\",60,0,\"FAILED\",\
\"DOCUMENTATION\",\"0000000000000004\",\"support\"\n";
    assert_eq!(lines, expected);
}

#[test]
fn no_text_becomes_a_formula_and_numbers_stay_numbers() {
    for (text, safe) in [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+49 30 1=2", "'+49 30 1=2"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("＝1", "'＝1"),
        ("+", "'+"),
        ("+4930123456", "+4930123456"),
        ("-5", "-5"),
        ("anna", "anna"),
        ("", ""),
    ] {
        assert_eq!(defused(text), safe);
    }
    let mut call = typed(1, 1_000);
    if let What::ContactTyped { from, to, .. } = &mut call.what {
        *from = "=cmd|' /C calc'!A0".into();
        *to = "sip:a\"b,c@example.com".into();
    }
    let over = finished(&[call, abandoned(1, 10, 1_010)]);
    let line = record(&over[0]).line();
    assert!(line.contains(",'=cmd|' /C calc'!A0,"), "{line}");
    assert!(line.contains(",\"sip:a\"\"b,c@example.com\","), "{line}");
    // A field of the queue log ends at a bar.
    let log = queue_log(
        &[
            {
                let mut call = typed(1, 1_000);
                if let What::ContactTyped { from, .. } = &mut call.what {
                    *from = "a|b\nc".into();
                }
                call
            },
            abandoned(1, 10, 1_010),
        ],
        RANGE,
    );
    assert!(
        log.starts_with("1|0000000000000001|support|NONE|ENTERQUEUE||a b c|1\n"),
        "{log}"
    );
}

#[test]
fn a_call_that_outlived_the_process_is_told_once_and_one_that_did_not_is_lost() {
    let adopted = |contact| What::ContactAdopted {
        contact: ContactId(contact),
        offer: OfferId(contact),
        agent: AgentId::new("anna"),
        since_unix_ms: 2_000,
    };
    let ended = What::ContactEnded {
        contact: ContactId(1),
        offer: OfferId(1),
        agent: AgentId::new("anna"),
        queue: None,
        cause: EndCause::Bye,
        by: Some(EndedBy::Client),
        waited_ms: 0,
        talk_ms: 60_000,
    };
    let mut events = Vec::new();
    for contact in [1, 2] {
        events.push(typed(contact, 1_000));
        events.push(offered(contact, contact, "anna", 1_000));
        events.push(connected_by(contact, contact, "anna", 1_000, 2_000));
    }
    events.push(event(5_000, What::ControlStarted));
    events.push(event(6_000, adopted(1)));
    events.push(event(62_000, ended));
    let over = finished(&events);
    let told: Vec<(u64, u64, String)> = over
        .iter()
        .map(|call| {
            let row = serde_json::to_value(record(call)).unwrap();
            let disposition = row["disposition"].as_str().unwrap().to_owned();
            (call.id.0, call.waited_ms, disposition)
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, 1_000, "served".to_owned()),
            (2, 1_000, "lost".to_owned())
        ]
    );
    let log = queue_log(&events, RANGE);
    assert!(
        log.contains("62|0000000000000001|support|anna|COMPLETECALLER|1|60|1\n"),
        "{log}"
    );
    assert!(
        !log.contains("|0000000000000002|support|anna|COMPLETE"),
        "{log}"
    );
}

#[test]
fn phones_that_ring_together_each_end_as_they_did() {
    let events = [
        typed(1, 1_000),
        offered(1, 11, "anna", 1_000),
        offered(1, 12, "ben", 1_000),
        offered(1, 13, "carl", 1_000),
        failed(1, 13, "carl", OfferEnd::Declined, 3_000),
        connected_by(1, 12, "ben", 4_000, 5_000),
        failed(1, 11, "anna", OfferEnd::AnsweredElsewhere, 5_100),
        ended_by(1, 12, "ben", Some(EndedBy::Client), 10_000, 15_000),
        typed(2, 20_000),
        offered(2, 21, "anna", 20_000),
        offered(2, 22, "ben", 20_000),
        abandoned(2, 2_000, 22_000),
    ];
    let expected = "\
1|0000000000000001|support|NONE|ENTERQUEUE||caller|1
3|0000000000000001|support|carl|RINGNOANSWER|2000
5|0000000000000001|support|ben|CONNECT|4|000000000000000c|4
15|0000000000000001|support|ben|COMPLETECALLER|4|10|1
20|0000000000000002|support|NONE|ENTERQUEUE||caller|1
22|0000000000000002|support|anna|RINGCANCELED|2000
22|0000000000000002|support|ben|RINGCANCELED|2000
22|0000000000000002|support|NONE|ABANDON|1|1|2
";
    assert_eq!(queue_log(&events, RANGE), expected);
    let call = record(&finished(&events)[0]);
    let row = serde_json::to_value(call).unwrap();
    let tried = "anna:answered_elsewhere ben:answered carl:declined";
    assert_eq!(row["agents_tried"], tried);
    assert_eq!(row["rang_ms"], 4_100 + 4_000 + 2_000);
}

#[test]
fn a_contact_that_overflows_leaves_one_queue_and_enters_the_other() {
    let events = [
        typed(1, 1_000),
        queued(1, 3, 1_000),
        moved(1, "sales", OverflowWhen::Waited, 9_000, 10_000),
        queued(1, 1, 10_000),
        offered(1, 11, "ben", 12_000),
        connected_by(1, 11, "ben", 13_000, 14_000),
        ended_by(1, 11, "ben", Some(EndedBy::Client), 5_000, 19_000),
        // Full: it never waited there.
        typed(2, 20_000),
        moved(2, "sales", OverflowWhen::Full, 0, 20_000),
        queued(2, 1, 20_000),
        abandoned(2, 3_000, 23_000),
        typed(3, 30_000),
        queued(3, 1, 30_000),
        redirected(3, OverflowWhen::Waited, 4_000, 34_000),
    ];
    let expected = "\
1|0000000000000001|support|NONE|ENTERQUEUE||caller|3
10|0000000000000001|support|NONE|EXITWITHTIMEOUT|3|3|9
10|0000000000000001|sales|NONE|ENTERQUEUE||caller|1
14|0000000000000001|sales|ben|CONNECT|13|000000000000000b|2
19|0000000000000001|sales|ben|COMPLETECALLER|13|5|1
20|0000000000000002|sales|NONE|ENTERQUEUE||caller|1
23|0000000000000002|sales|NONE|ABANDON|1|1|3
30|0000000000000003|support|NONE|ENTERQUEUE||caller|1
34|0000000000000003|support|NONE|EXITWITHTIMEOUT|1|1|4
";
    assert_eq!(queue_log(&events, RANGE), expected);
    let row = serde_json::to_value(record(&finished(&events)[2])).unwrap();
    assert_eq!(row["disposition"], "redirected");
    assert_eq!(row["reason"], "waited");
}
