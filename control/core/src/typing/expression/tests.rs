#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::facts::Earlier;
use crate::limits::{MAX_EXPRESSION_BYTES, MAX_EXPRESSION_DEPTH};
use proptest::prelude::*;

const SUNDAY_14_05: u64 = 1_795_356_300_000; // 2026-11-22T14:05:00Z

fn contact() -> Facts {
    Facts {
        request_uri: "sip:Support@Example.com:5080".into(),
        to: "sip:support@example.com".into(),
        from: "sip:+41441234567@carrier.example".into(),
        headers: vec![
            ("X-Tier".into(), "gold".into()),
            ("Subject".into(), "Hilfe gesucht".into()),
            ("X-Many".into(), "a".into()),
            ("x-many".into(), "b".into()),
        ],
        media: vec![Medium {
            kind: "audio".into(),
            port: 9,
            protocol: "RTP/AVP".into(),
            codecs: vec!["opus".into(), "PCMA".into()],
        }],
        source: Some("[::ffff:203.0.113.9]:5060".parse().unwrap()),
        transport: "udp".into(),
        customer: [("tier".to_string(), "gold".to_string())].into(),
        entitlements: vec!["premium".into()],
        earlier: Earlier {
            contacts: 3,
            agent: Some("anna".into()),
            queue: None,
            seconds_ago: Some(90),
        },
        answers: [("language".to_string(), "2".to_string())].into(),
        ..Facts::default()
    }
}

fn asked(text: &str, zone: &str, facts: &Facts) -> (Result<bool, String>, String) {
    let usable = Usable::of(facts);
    let seen = Seen::new(facts, &usable, SUNDAY_14_05, &[]);
    let expression = Expression::new(text, zone, &[]).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    (expression.holds(&seen), expression.found(&seen))
}

fn problem(text: &str) -> Problem {
    Expression::new(text, "UTC", &[]).expect_err(text)
}

// A3
#[test]
fn every_variable_can_be_asked() {
    let facts = contact();
    for yes in [
        r#"uri.user == "Support" && uri.host == "example.com" && uri.scheme == "sip""#,
        r#"uri.text == "sip:Support@Example.com:5080""#,
        r#"to.user == "support" && from.user.startsWith("+41")"#,
        r#"headers["x-tier"][0] == "gold""#,
        r#""x-tier" in headers && !("x-other" in headers)"#,
        r#"headers["x-many"] == ["a", "b"] && size(headers["x-many"]) == 2"#,
        r#"headers["x-many"].exists(one, one == "b")"#,
        r#"like(headers["subject"], "*HILFE*") && like(uri.user, "sup*")"#,
        r#""audio" in media && media[0] == "audio" && "RTP/AVP" in protocols"#,
        r#""opus" in codecs && transport == "udp""#,
        r#"source == "203.0.113.9" && in_network(source, "203.0.113.0/24")"#,
        r#"!in_network(source, "2001:db8::/32")"#,
        r#"time.hour == 14 && time.minute == 5 && time.weekday == "sun""#,
        r#"time.day == 22 && time.month == 11 && time.year == 2026"#,
        r#"time.date == "2026-11-22" && time.hour * 60 + time.minute >= 845"#,
        r#"customer.tier in ["gold", "platinum"] && "premium" in entitlements"#,
        r#"earlier.contacts > 2 && earlier.agent == "anna" && earlier.queue == """#,
        r#"answers["language"] == "2" && int(answers.language) == 2"#,
        r#"has(customer.tier) && !has(customer.street)"#,
        r#"{"gold": 3, "silver": 1}[customer.tier] > 2"#,
        r#"has(customer.street) ? customer.street == "x" : true"#,
    ] {
        assert_eq!(asked(yes, "UTC", &facts).0, Ok(true), "{yes}");
    }
    let hour = asked("time.hour == 15", "Europe/Zurich", &facts);
    assert_eq!(hour.0, Ok(true), "{}", hour.1);
}

// A3
#[test]
fn what_is_missing_makes_no_rule_match_and_is_told() {
    let bare = Facts::default();
    let (holds, found) = asked(r#"headers["x-tier"][0] == "gold""#, "UTC", &bare);
    assert_eq!(holds, Err("there is no `x-tier`".into()));
    assert_eq!(
        found,
        r#"cannot be said: there is no `x-tier`; headers["x-tier"][0] is missing"#
    );
    let (holds, found) = asked(r#"customer.tier == "gold" || time.hour > 8"#, "UTC", &bare);
    assert_eq!(holds, Ok(true), "one side decides");
    assert_eq!(found, "true; customer.tier is missing, time.hour = 14");
    let short = asked(r#"headers["subject"][1] == "x""#, "UTC", &contact());
    assert_eq!(short.0, Err("the list is shorter".into()));
}

// A3
#[test]
fn what_cannot_be_meant_is_refused_with_a_remedy() {
    for (text, message) in [
        ("", "the expression is empty"),
        (
            "uri.user = \"x\"",
            "line 1, character 10: mismatched input '='",
        ),
        ("uri.user == ", "line 1, character 13: mismatched"),
        ("url.user == \"x\"", "there is no variable `url`"),
        ("gold == customer.tier", "there is no variable `gold`"),
        ("uri.name == \"x\"", "`uri` has no `name`"),
        ("has(time.hours)", "`time` has no `hours`"),
        ("matches(uri.user, \"x\")", "there is no function `matches`"),
        ("media.map(m, m + m) == []", "there is no function `map`"),
        ("calendar[\"office\"].open", "there is no calendar `office`"),
        ("like(uri.user, \"\")", "the pattern is empty"),
        (
            "in_network(source, \"10.0.0.0/99\")",
            "`10.0.0.0/99` is neither",
        ),
        ("time.hour", "the expression is neither true nor false"),
        ("uri.user", "the expression is neither true nor false"),
        ("time.hour > \"8\"", "`>` cannot take int and string"),
        ("uri.user && true", "`&&` cannot take string"),
        ("size(time.hour) > 1", "`size` cannot take int"),
        ("media.exists(m, codecs.exists(c, c == m))", "a loop"),
        ("(true", "a bracket is not closed"),
        ("true]", "a `]` closes no bracket"),
        ("acme.User{name: 1} == 2", "there is no type"),
        ("type(1) == int", "there is no function `type`"),
    ] {
        let problem = problem(text);
        assert!(problem.message.starts_with(message), "{text}: {problem:?}");
        assert!(!problem.remedy.is_empty(), "{text}");
    }
    let zone = Expression::new("true", "Mars", &[]).expect_err("no zone");
    assert_eq!(zone.field, "zone");
}

// A3
#[test]
fn the_expressions_of_the_manual_are_read() {
    let manual = include_str!("../../../../../docs/operations.md");
    let table = manual.split("Eleven expressions").nth(1).unwrap();
    let rows = table.lines().skip_while(|line| !line.starts_with("|---"));
    let rows: Vec<&str> = rows
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert_eq!(rows.len(), 11);
    let calendars = ["zurich", "berlin"].map(|id| Calendar::never(&id.into()));
    for row in rows {
        let code = row.split(" | `").nth(1).unwrap();
        let text = code.trim_end_matches("` |").replace("\\|", "|");
        if let Err(problem) = Expression::new(&text, "UTC", &calendars) {
            panic!("{text}: {problem:?}");
        }
    }
}

#[test]
fn length_and_depth_are_limited_before_anything_is_read() {
    let long = format!("true{}", " || true".repeat(MAX_EXPRESSION_BYTES / 8));
    assert!(problem(&long).message.contains("bytes"));
    let many = format!("true{}", " || true".repeat(MAX_EXPRESSION_BYTES / 8 - 1));
    assert_eq!(
        asked(&many, "UTC", &contact()).0,
        Ok(true),
        "flat is not deep"
    );
    let deep = MAX_EXPRESSION_DEPTH;
    for text in [
        format!("{}true{}", "(".repeat(deep), ")".repeat(deep)),
        format!("{}1{} == 1", "[".repeat(deep), "]".repeat(deep)),
        format!("{}1{} == 1", "{1:".repeat(deep), "}".repeat(deep)),
        format!("{}true", "!".repeat(deep)),
        format!("{}1 < 1", "-".repeat(deep)),
        format!("1{} > 1", " + 1".repeat(deep)),
        format!("{}true", "true ? true : ".repeat(deep)),
        format!("customer{} == 1", ".a".repeat(deep)),
        format!("media{} == 1", "[0]".repeat(deep)),
        format!("media{}.exists(m, true)", ".filter(m, true)".repeat(deep)),
    ] {
        let message = problem(&text).message;
        assert!(message.contains("too deep"), "{text}: {message}");
    }
}

// A3
#[test]
fn long_values_are_shown_in_part_and_in_one_order() {
    let mut facts = contact();
    facts.headers.push(("X-Long".into(), "é".repeat(2_000)));
    let (_, found) = asked(
        r#"size(headers["x-long"][0]) > 1 && size(headers) > 1"#,
        "UTC",
        &facts,
    );
    assert!(found.len() < 1_000 && found.contains('…'), "{found}");
    let names = "headers = subject, x-long, x-many, x-tier";
    assert!(found.contains(names), "{found}");
    let (_, found) = asked(r#""tier" in customer"#, "UTC", &facts);
    assert_eq!(found, r#"true; customer = {"tier": "gold"}"#);
}

/// Words that expressions are made of, so that many of those made at random can be read.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(vec![
            "uri", "headers", "time", "media", "customer", "calendar", "source", "earlier", "x",
            ".user", ".hour", ".exists", ".all", ".filter", ".map", "[\"subject\"]", "[0]", "[",
            "]", "(", ")", "(x, ", "{", "}", ":", "?", ",", "&&", "||", "!", "-", "+", "*", "/",
            "%", "==", "!=", "<", ">=", "in", "like(", "in_network(", "size(", "has(", "int(",
            "string(", "double(", "'a'", "\"*\"", "'''", "r'\\'", "b'\\xff'", "0", "1u", "1.5",
            "-9223372036854775808", "9223372036854775807", "1e308", "true", "null", "//", "\n",
            "`", "\\", "@result", "optional.of(1)", ".?user", "[?0]",
        ]).prop_map(str::to_string),
        1 => "\\PC{0,3}",
    ]
}

fn facts() -> impl Strategy<Value = Facts> {
    let pair = ("[a-zA-Z-]{0,9}", ".{0,40}");
    let headers = proptest::collection::vec(pair, 0..6);
    let customer = proptest::collection::btree_map("[a-z]{1,5}", ".{0,9}", 0..4);
    (
        ".{0,30}",
        ".{0,30}",
        headers,
        customer,
        proptest::collection::vec(".{0,9}", 0..4),
    )
        .prop_map(|(uri, from, headers, customer, entitlements)| Facts {
            request_uri: uri,
            from,
            headers,
            answers: customer.clone(),
            customer,
            entitlements,
            ..contact()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_read_or_refused(words in proptest::collection::vec(word(), 0..24)) {
        for joint in ["", " "] {
            let text = words.join(joint);
            match Expression::new(&text, "UTC", &[]) {
                Ok(expression) => {
                    let facts = contact();
                    let usable = Usable::of(&facts);
                    let seen = Seen::new(&facts, &usable, SUNDAY_14_05, &[]);
                    let _ = expression.holds(&seen);
                    let _ = expression.found(&seen);
                }
                Err(problem) => prop_assert!(!problem.message.is_empty()),
            }
        }
    }

    #[test]
    fn any_contact_can_be_asked(facts in facts(), unix_ms in any::<u64>()) {
        let usable = Usable::of(&facts);
        let seen = Seen::new(&facts, &usable, unix_ms, &[]);
        for text in [
            r#"headers["subject"][0] == uri.user || customer.tier > answers.language"#,
            r#"headers.exists(name, like(headers[name], "*a*")) && int(customer.a) / time.hour > 1"#,
            r#"time.hour + time.day + time.year > 0 && in_network(source, uri.host)"#,
            r#"entitlements.all(one, size(one) < 5) ? from.text == to.text : like(uri.text, from.user)"#,
        ] {
            let expression = Expression::new(text, "Europe/Zurich", &[]).unwrap();
            let _ = expression.holds(&seen);
            prop_assert!(expression.found(&seen).len() < 16_384);
        }
    }
}
