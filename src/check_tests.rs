use super::*;

fn verdict(name: &str, text: &str) -> Verdict {
    check(&Source::new(name, text), &Environment::default(), None)
}

/// Place and words of each problem.
fn found(text: &str) -> Vec<(String, String)> {
    let problems = verdict("centre.toml", text).problems.0;
    problems
        .iter()
        .map(|p| {
            (
                format!("{}:{} {}", p.position.line, p.position.column, p.path),
                format!("{}; {}", p.what, p.remedy),
            )
        })
        .collect()
}

/// The only problem of a text.
fn finds(text: &str, place: &str, words: &str) {
    let found = found(text);
    assert_eq!(found.len(), 1, "{text}: {found:#?}");
    assert_eq!(found[0].0, place, "{text}: {found:#?}");
    assert!(found[0].1.contains(words), "{text}: {found:#?}");
}

const GOOD: &str = "[[queue]]\nid = \"q\"\n[[agent]]\nid = \"a\"\nuri = \"sip:a@192.0.2.1\"\n\
                    [[rule]]\nid = \"all\"\nthen = { queue = \"q\" }\n";

// F5
#[test]
fn the_examples_have_nothing_wrong_with_them() {
    let root = env!("CARGO_MANIFEST_DIR");
    for (folder, known) in [("examples", 2), ("systemd/examples", 2)] {
        let mut seen = 0;
        for file in std::fs::read_dir(format!("{root}/{folder}")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let verdict = verdict(&path.to_string_lossy(), &text);
            assert_eq!(
                verdict.problems,
                Problems::default(),
                "{}",
                verdict.problems
            );
            assert!(verdict.summary.unwrap().starts_with("ok"));
            seen += 1;
        }
        assert!(seen >= known, "{folder}: {seen}");
    }
}

#[test]
fn the_example_of_the_host_shows_the_defaults() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/patchbay.toml");
    let source = Source::new(path, std::fs::read_to_string(path).unwrap());
    let root = Environment {
        root: true,
        ..Environment::default()
    };
    let shown = Config::read(&source, &root, None).unwrap().config;
    let default = Config::read(&Source::empty(), &root, None).unwrap().config;
    assert_eq!(shown, default);
}

#[test]
fn a_digest_that_does_not_exist_is_shown_where_it_is_written() {
    let with = |digest: &str| {
        GOOD.replace(
            "uri = \"sip:a@192.0.2.1\"",
            &format!("password = \"long enough\"\ndigest = {digest}"),
        )
    };
    assert_eq!(found(&with("[\"md5\"]")), []);
    finds(
        &with("[\"sha256\"]"),
        "6:11 agent[0].digest",
        "there is no `sha256` here; did you mean `sha-256`?",
    );
    finds(
        &with("[\"rot13\"]"),
        "6:11 agent[0].digest",
        "write one of: sha-256, md5",
    );
    finds(
        &with("[]"),
        "6:10 agent[0].digest",
        "the control node's setting",
    );
    finds(
        &with("[\"md5\", \"md5\"]"),
        "6:18 agent[0].digest[1]",
        "once",
    );
}

#[test]
fn which_file_it_is_is_seen_by_its_content() {
    let kind = |name: &str, text: &str| Kind::of(&Source::new(name, text));
    assert_eq!(kind("x", "[relay]\n"), Kind::Host);
    assert_eq!(kind("centre.toml", "data = \"x\""), Kind::Host);
    assert_eq!(kind("x", "[[agnet]]\nid = \"a\""), Kind::Centre);
    assert_eq!(kind("x", "[contrl]\n"), Kind::Host);
    assert_eq!(kind("dir/patchbay.toml", ""), Kind::Host);
    let unknown = verdict("notes.toml", "colour = 1");
    assert!(unknown.summary.is_none());
    assert!(unknown.problems.to_string().contains("[[queue]]"));
}

// A3, A4
#[test]
fn a_good_centre_is_summed_up() {
    let verdict = verdict("centre.toml", GOOD);
    assert_eq!(verdict.problems, Problems::default());
    let summary = verdict.summary.unwrap();
    assert!(
        summary.contains("1 queue, 1 agent (0 register, 1 by URI)"),
        "{summary}"
    );
    assert!(summary.contains("q: 1 agent; from all"), "{summary}");
}

#[test]
fn every_error_of_an_entry_is_found_at_its_place() {
    let text = "[[queue]]\nid = \"q\"\nring_secnds = 5\nmax_length = \"many\"\n\
                when_no_agents = \"wiat\"\n\
                [[agent]]\nid = \"a\"\nskills = { x = 999 }\nuri = \"sip:a@192.0.2.1\"\n\
                [[agent]]\nname = \"b\"\n\
                [[rule]]\nid = \"all\"\nwhen = { hedaer = { a = \"b\" }, to = 5 }\n\
                then = { queue = \"q\" }\n[ofers]\n";
    let found = found(text);
    let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(
        places,
        [
            "3:1 queue[0].ring_secnds",
            "4:14 queue[0].max_length",
            "5:18 queue[0].when_no_agents",
            "8:16 agent[0].skills.x",
            "10:1 agent[1]",
            "14:10 rule[0].when.hedaer",
            "14:37 rule[0].when.to",
            "16:2 ofers",
        ],
        "{found:#?}"
    );
    assert!(
        found[0].1.contains("did you mean `ring_seconds`?"),
        "{found:#?}"
    );
    assert!(found[2].1.contains("did you mean `wait`?"), "{found:#?}");
    assert!(
        found[1]
            .1
            .contains("is the string \"many\", not a whole number"),
        "{found:#?}"
    );
    assert!(found[4].1.contains("`id` is missing"), "{found:#?}");
    assert!(found[5].1.contains("did you mean `header`?"), "{found:#?}");
    assert!(found[6].1.contains("one value or a list"), "{found:#?}");
    assert!(found[7].1.contains("did you mean `offers`?"), "{found:#?}");
}

#[test]
fn what_entries_say_about_each_other_is_found_at_its_place() {
    finds(
        &GOOD.replace("queue = \"q\"", "queue = \"p\""),
        "8:18 rule[0].then.queue",
        "`p`",
    );
    finds(&GOOD.replace("uri", "#"), "3:1 agent[0]", "password");
    finds(
        &GOOD.replace("id = \"q\"", "id = \"q\"\nring_seconds = 0"),
        "3:16 queue[0].ring_seconds",
        "",
    );
    let odd = "[[rule]]\nid = \"x\"\nwhen = { header = { \"X A.b\" = \"1\" } }\n\
               then = { refuse = 404 }\n[[rule]]";
    finds(
        &GOOD.replace("[[rule]]", odd),
        "8:31 rule[0].when.header.X A.b",
        "header's name",
    );
}

#[test]
fn an_entry_that_cannot_be_read_casts_no_blame_on_others() {
    // The queue is lost, so nothing is said about the rule and the agent that name it.
    let text = GOOD
        .replace("id = \"q\"", "id = 5")
        .replace("uri =", "queues = [\"q\"]\nuri =");
    finds(&text, "2:6 queue[0].id", "");
    // The index of the second agent is that of the file, although the first cannot be read.
    let text = format!("{GOOD}[[agent]]\n[[agent]]\nid = \"c\"\n");
    let places: Vec<String> = found(&text).into_iter().map(|(place, _)| place).collect();
    assert_eq!(places, ["9:1 agent[1]", "10:1 agent[2]"]);
    finds(
        &GOOD.replace("[[queue]]", "[queue]"),
        "1:1 queue",
        "two brackets",
    );
}

#[test]
fn what_is_most_likely_not_meant_is_a_warning() {
    let warned = |text: &str, place: &str, words: &str| {
        finds(text, place, words);
        assert!(verdict("centre.toml", text).summary.is_some());
    };
    warned(
        &format!("{GOOD}[[queue]]\nid = \"p\"\n"),
        "10:6 queue[1].id",
        "no rule leads",
    );
    let skilled = GOOD.replace("queue = \"q\" }", "queue = \"q\", skills = { x = 2 } }");
    warned(&skilled, "8:8 rule[0].then", "has x 2 together");
    let elsewhere = GOOD.replace("uri", "queues = []\nuri");
    warned(&elsewhere, "9:8 rule[0].then", "no agent serves");
    let short = GOOD.replace("uri = \"sip:a@192.0.2.1\"", "password = \"1234\"");
    warned(&short, "5:12 agent[0].password", "short");
}
