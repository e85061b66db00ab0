#![allow(clippy::unwrap_used)]
use super::*;

const INVITE: &str = "INVITE sip:support@example.com SIP/2.0\n\
    Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\n\
    From: <sip:carla@example.net>;tag=1\nTo: <sip:support@example.com>\n\
    Call-ID: try\nCSeq: 1 INVITE\nX-Tier: gold\n\n";

fn offline(centre: &str, invite: &str, at: &str) -> Explanation {
    let name = format!("patchbay-rules-{}-{centre:p}", std::process::id());
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, centre).unwrap();
    let facts = facts(invite.as_bytes()).unwrap();
    let explanation = offline::explain(&file, &facts, Some(time(at).unwrap()));
    std::fs::remove_file(&file).unwrap();
    explanation.unwrap().unwrap()
}

// A3 G4
#[test]
fn the_table_says_what_decided() {
    let centre = r#"
queue = [{ id = "q" }]
agent = [{ id = "anna", password = "long enough" }, { id = "ben", uri = "sip:ben@192.0.2.1", skills = { german = 3 } }]
calendar = [{ id = "office", holidays = [{ date = "*-12-25", name = "Christmas" }] }]
rule = [
  { id = "closed", when = { calendar = "!office" }, then = { refuse = 480 } },
  { id = "gold", when = { to = "support@*", expression = 'headers["x-tier"][0] == "gold" && time.hour >= 8' }, then = { queue = "q", skills = { german = 2 }, attributes = { tier = "gold" } } },
  { id = "all", then = { queue = "q" } },
]
"#;
    let explanation = offline(centre, INVITE, "2026-12-23T10:00:00Z");
    let table = shown::table(
        &facts(INVITE.as_bytes()).unwrap(),
        &explanation,
        Paint::plain(),
    );
    let expected = r#"a call to sip:support@example.com from sip:carla@example.net

rule closed does not match
   no  calendar  !office  found office is open (Wed 2026-12-23 10:00)
rule gold matches
  yes  to          support@*                             found sip:support@example.com
  yes  expression  headers["x-tier"][0] == "gold" && time.hour >= 8
                   found true; headers["x-tier"][0] = "gold", time.hour = 10

call type  gold
queue      q
priority   0
skills     german from level 2
attributes tier = gold
media      audio
outcome    offered to ben
agents     1 qualified, 1 of them free, by longest idle
           ben: chosen
           anna: lacks skill (has 0, needs 2, skill german)
"#;
    assert_eq!(table, expected);
    let closed = offline(centre, INVITE, "2026-12-25T10:00:00Z");
    let table = shown::table(&Facts::default(), &closed, Paint::plain());
    assert!(table.contains("found office is closed (Fri 2026-12-25 10:00, holiday Christmas)"));
    assert!(
        table.contains("outcome    refused with 480: refused by a rule"),
        "{table}"
    );
}

#[test]
fn calls_are_read_as_text_or_as_json() {
    let crlf = INVITE.replace('\n', "\r\n");
    assert_eq!(
        facts(INVITE.as_bytes()).unwrap(),
        facts(crlf.as_bytes()).unwrap()
    );
    let json = facts(b" {\"to\": \"sip:a@b\", \"customer\": {\"tier\": \"gold\"}}").unwrap();
    assert_eq!(json.customer["tier"], "gold");
    for wrong in [
        "",
        "hello",
        "{\"too\": 1}",
        "{",
        "OPTIONS sip:a SIP/2.0\n\n",
    ] {
        assert!(facts(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn times_need_an_offset() {
    assert_eq!(time("1970-01-01T01:00:01+01:00"), Ok(1_000));
    for wrong in ["2026-12-25", "10:00", "1960-01-01T00:00:00Z", "noon"] {
        assert!(time(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn what_a_caller_sends_cannot_draw_on_the_terminal() {
    let facts = Facts {
        from: "sip:\u{1b}[31m@x".into(),
        ..Facts::default()
    };
    let explanation = Explanation {
        asks: None,
        media: Vec::new(),
        unusable: Vec::new(),
        rules: Vec::new(),
        typed: None,
        choice: None,
        outcome: patchbay_core::explain::Outcome::Queue { position: 1 },
    };
    assert!(!shown::table(&facts, &explanation, Paint::plain()).contains('\u{1b}'));
}
