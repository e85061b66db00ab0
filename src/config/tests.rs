use super::*;

fn environment() -> Environment {
    Environment {
        home: Some("/home/u".into()),
        ..Environment::default()
    }
}

fn read(text: &str) -> Result<Checked, Problems> {
    Config::read(&Source::new("patchbay.toml", text), &environment(), None)
}

fn complaints(text: &str) -> Vec<(String, String)> {
    let problems = match read(text) {
        Ok(checked) => checked.warnings,
        Err(problems) => problems,
    };
    problems
        .0
        .iter()
        .map(|p| {
            (
                format!("{}:{}", p.position.line, p.path),
                format!("{}; {}", p.what, p.remedy),
            )
        })
        .collect()
}

/// What the only complaint about a text is: place, and words that must be in it.
fn complains(text: &str, place: &str, words: &str) {
    let found = complaints(text);
    assert_eq!(found.len(), 1, "{text}: {found:#?}");
    assert_eq!(found[0].0, place, "{text}: {found:#?}");
    assert!(found[0].1.contains(words), "{text}: {found:#?}");
}

#[test]
fn nothing_written_is_a_whole_configuration() {
    let checked = read("").unwrap();
    assert_eq!(checked.warnings, Problems::default());
    let config = checked.config;
    assert_eq!(config.data, Path::new("/home/u/.local/state/patchbay"));
    assert_eq!(config.link.secret_file, config.data.join("link-secret"));
    assert_eq!(config.relay.listen.len(), 4);
    assert_eq!(config.relay.control, ["127.0.0.1:5070".parse().unwrap()]);
    assert_eq!(config.relay.media_ports, 20_000..=59_999);
    assert_eq!(config.relay.media_sockets, MediaSockets::Auto);
    assert_eq!(config.relay.media_dscp, Some(46));
    assert_eq!(
        (config.relay.threads, config.relay.max_sessions),
        (1, 5_000)
    );
    assert_eq!(config.control.relays, ["http://127.0.0.1:8090"]);
    let both = [Algorithm::Sha256, Algorithm::Md5];
    assert_eq!(config.control.digest, both, "the strongest first");
}

#[test]
fn every_key_is_taken_over() {
    let text = r#"
        data = "state"
        [relay]
        listen = ["udp:192.0.2.1:5060", "TCP:[2001:db8::1]:5060"]
        advertise = ["203.0.113.5", "2001:db8::5"]
        control = ["10.0.0.2:5071"]
        api = "10.0.0.1:8091"
        cpus = [2, 3]
        media_ports = "30000-40000"
        media_sockets = "steered"
        media_dscp = "keep"
        engine = "xdp"
        interfaces = ["eth0", "eth1"]
        pin_directory = "/run/bpf"
        max_sessions = 2000
        media_timeout = 60
        hold_timeout = 600
        session_expires = 120
        max_calls_per_s = 400
        failover_after = 2
        large_over_tcp = false
        dns = ["192.0.2.53", "[2001:db8::53]:5353"]
        deny_methods = ["REFER", "X-FROB"]
        trace_ring = "64 MiB"
        hand_over = true
        [control]
        sip = "10.0.0.2:5071"
        api = "10.0.0.2:8081"
        relays = ["http://10.0.0.1:8091/"]
        realm = "example.org"
        digest = ["md5"]
        trusted = ["10.0.0.0/8", "2001:db8::1"]
        screen_pop_url = "https://crm.example/{contact}"
        transfer = "message"
        register_min = 30
        register_max = 600
        allowed_relays = ["10.0.0.1"]
        token_rate = 50
        audit_kept = 5000
        [link]
        secret_file = "/run/secret"
    "#;
    let source = Source::new("/etc/patchbay/patchbay.toml", text);
    let config = Config::read(&source, &environment(), None).unwrap().config;
    assert_eq!(config.data, Path::new("/etc/patchbay/state"));
    let tcp = &config.relay.listen[1];
    assert_eq!(tcp.transport, ListenTransport::Tcp);
    assert_eq!(tcp.address, "[2001:db8::1]:5060".parse().unwrap());
    assert_eq!(config.relay.advertise.len(), 2);
    assert_eq!(config.relay.threads, 2, "threads follow the CPUs");
    assert_eq!(config.relay.cpus, [2, 3]);
    assert_eq!(config.relay.media_ports, 30_000..=40_000);
    assert_eq!(config.relay.media_sockets, MediaSockets::Steered);
    assert_eq!(config.relay.media_dscp, None);
    assert_eq!(config.relay.engine, EngineKind::Xdp);
    assert_eq!(config.relay.interfaces, ["eth0", "eth1"]);
    assert_eq!(config.relay.pin_directory.to_str(), Some("/run/bpf"));
    let silence = (config.relay.media_timeout, config.relay.hold_timeout);
    assert_eq!(silence, (Duration::from_secs(60), Duration::from_secs(600)));
    assert_eq!(config.relay.session_expires, Duration::from_secs(120));
    assert_eq!(config.relay.max_calls, CallLimit::Rate(400));
    assert!(!config.relay.large_over_tcp);
    assert_eq!(config.relay.failover_after, Duration::from_secs(2));
    let servers = ["192.0.2.53:53", "[2001:db8::53]:5353"].map(|server| server.parse().unwrap());
    assert_eq!(config.relay.dns, servers);
    assert_eq!(
        config.relay.deny_methods,
        [Method::Refer, Method::from("X-FROB")]
    );
    assert_eq!(config.relay.trace_ring, 64 * 1024 * 1024);
    assert!(config.relay.hand_over);
    assert_eq!(config.control.relays, ["http://10.0.0.1:8091"]);
    assert_eq!(config.control.realm, "example.org");
    assert_eq!(config.control.digest, [Algorithm::Md5]);
    assert_eq!(config.control.trusted.len(), 2);
    let url = config.control.screen_pop_url.as_deref();
    assert_eq!(url, Some("https://crm.example/{contact}"));
    assert_eq!(config.control.transfer, Carrier::Message);
    let settings = config.control.settings;
    assert_eq!((settings.token_rate, settings.audit_kept), (50, 5_000));
    let times = (config.control.register_min, config.control.register_max);
    assert_eq!(times, (Duration::from_secs(30), Duration::from_secs(600)));
    assert_eq!(config.link.secret_file, Path::new("/run/secret"));
    let data = Some(PathBuf::from("/override"));
    let config = Config::read(&source, &environment(), data).unwrap().config;
    assert_eq!(config.data, Path::new("/override"));
}

#[test]
fn halves_of_one_file_find_each_other_without_being_told() {
    let config = read("[relay]\napi = \"10.0.0.1:9\"\n[control]\nsip = \"10.0.0.1:8\"");
    let config = config.unwrap().config;
    assert_eq!(config.relay.control, ["10.0.0.1:8".parse().unwrap()]);
    assert_eq!(config.control.relays, ["http://10.0.0.1:9"]);
}

#[test]
fn all_errors_are_reported_together_in_the_order_of_the_file() {
    let text = "dta = 1\n[relay]\nthreads = 0\nlisten = [\"udp:0.0.0.0\", \"upd:[::]:5060\"]\n\
                [control]\nsip = 5070\ndigest = \"md5\"\n[lnik]\n";
    let found = complaints(text);
    let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(
        places,
        [
            "1:dta",
            "3:relay.threads",
            "4:relay.listen",
            "4:relay.listen",
            "6:control.sip",
            "7:control.digest",
            "8:lnik"
        ]
    );
    assert!(found[0].1.contains("did you mean `data`"), "{found:#?}");
    assert!(
        found[3].1.contains("did you mean `udp:[::]:5060`"),
        "{found:#?}"
    );
    assert!(found[6].1.contains("did you mean `link`"), "{found:#?}");
}

#[test]
fn a_syntax_error_does_not_hide_the_others() {
    let found = complaints("[relay]\nthreads = = 2\nmax_sessions = 0\n");
    assert!(
        found
            .iter()
            .any(|(place, what)| place == "2:" && what.contains("not TOML"))
    );
    assert!(
        found
            .iter()
            .any(|(place, _)| place == "3:relay.max_sessions")
    );
}

#[test]
fn values_that_cannot_be_are_refused_with_a_remedy() {
    complains(
        "[relay]\napi = \"localhost:1\"",
        "2:relay.api",
        "names are not looked up",
    );
    complains("[relay]\napi = \"::1\"", "2:relay.api", "add the port");
    complains("[relay]\nthreads = -1", "2:relay.threads", "give 1 to 256");
    complains("[relay]\nthreads = 1.5", "2:relay.threads", "is a float");
    complains(
        "[relay]\nmedia_ports = \"9\"",
        "2:relay.media_ports",
        "20000-59999",
    );
    complains(
        "[relay]\nmedia_ports = \"80-90\"",
        "2:relay.media_ports",
        "privileges",
    );
    complains(
        "[relay]\nadvertise = [\"0.0.0.0\"]",
        "2:relay.advertise",
        "public address",
    );
    complains(
        "[relay]\nlisten = [\"tls:[::]:5061\"]",
        "2:relay.listen",
        "tls needs a certificate; add tls_certificate",
    );
    complains(
        "[relay]\nlisten = [\"tsl:[::]:5061\"]",
        "2:relay.listen",
        "did you mean `tls:[::]:5061`",
    );
    complains(
        "[relay]\nlisten = [\"tcp:[::]:7000\", \"ws:[::]:7000\"]",
        "2:relay.listen",
        "the same port",
    );
    complains(
        "[relay]\ntls_certificate = \"a.pem\"",
        "2:relay.tls_certificate",
        "without relay.tls_key",
    );
    complains(
        "[relay]\ntls_name = \"10.0.0.1\"",
        "2:relay.tls_name",
        "sip.example.com",
    );
    complains(
        "[relay]\nlisten = [\"ws:[::]:80\"]\nwebsocket_origins = [\"https://a.example/page\"]",
        "3:relay.websocket_origins",
        "host and port alone",
    );
    complains(
        "[relay]\nwebsocket_origins = [\"https://a.example\"]",
        "2:relay.websocket_origins",
        "no listener is ws or wss",
    );
    complains(
        "[link]\nca = \"ca.pem\"",
        "2:link.ca",
        "without link.certificate",
    );
    complains(
        "[relay]\nlisten = [\"[::]:5060\"]",
        "2:relay.listen",
        "udp:[::]:5060",
    );
    complains(
        "[relay]\nlisten = []",
        "2:relay.listen",
        "no phone could reach",
    );
    complains(
        "[relay]\nlisten = \"udp:[::]:1\"",
        "2:relay.listen",
        "not a list",
    );
    complains(
        "[control]\nrelays = [\"https://a\"]",
        "2:control.relays",
        "needs a certificate",
    );
    complains(
        "[control]\nrelays = [\"ftp://a\"]",
        "2:control.relays",
        "http://",
    );
    complains(
        "[control]\nrelays = [\"http://a/b\"]",
        "2:control.relays",
        "more than",
    );
    complains(
        "[control]\nrealm = \"a\\\"b\"",
        "2:control.realm",
        "quotation marks",
    );
    complains("control = 3", "1:control", "[control]");
}

#[test]
fn the_shortest_registration_is_not_longer_than_the_longest() {
    let words = "for 600 s at most and 700 s at least";
    let text = "[control]\nregister_min = 700\nregister_max = 600";
    complains(text, "2:control.register_min", words);
    let text = "[control]\nregister_max = 30";
    let words = "for 30 s at most and 60 s at least";
    complains(text, "2:control.register_max", words);
}

#[test]
fn digests_are_known_ones_each_named_once() {
    for (value, words) in [
        ("[\"sha256\"]", "did you mean `sha-256`?"),
        ("[\"SHA-256\"]", "did you mean `sha-256`?"),
        ("[\"kerberos\"]", "write \"sha-256\" or \"md5\""),
        ("[]", "no phone could register"),
        ("[\"md5\", \"sha-256\", \"md5\"]", "MD5 is named twice"),
        ("\"md5\"", "not a list"),
    ] {
        let text = format!("[control]\ndigest = {value}");
        complains(&text, "2:control.digest", words);
    }
    let text = "[control]\ndigest = [\"md5\", \"sha-256\"]";
    let config = read(text).unwrap().config;
    let turned = [Algorithm::Md5, Algorithm::Sha256];
    assert_eq!(config.control.digest, turned, "the order is kept");
}

#[test]
fn the_key_that_digest_replaced_is_told_what_to_write() {
    for (value, words) in [
        ("true", "write digest = [\"sha-256\", \"md5\"]"),
        ("false", "write digest = [\"sha-256\"]"),
        ("\"no\"", "write digest ="),
    ] {
        let text = format!("[control]\nlegacy_md5 = {value}");
        assert!(read(&text).is_err());
        complains(&text, "2:control.legacy_md5", words);
    }
    // Nobody is led to it.
    let found = complaints("[control]\nlegacy_md = true");
    assert!(!found[0].1.contains("legacy_md5"), "{found:#?}");
}

// B5
#[test]
fn tunnels_between_hosts_need_certificates_and_addresses() {
    let text = |relays: &str| format!("[control]\ntransfer = \"tunnel\"\nrelays = [{relays}]");
    for here in [
        "http://127.0.0.1:8090",
        "http://[::1]:8090",
        "http://localhost:8090",
    ] {
        assert_eq!(complaints(&text(&format!("\"{here}\""))), []);
    }
    let found = complaints(&text("\"http://10.0.0.1:8090\""));
    let of_transfer = found
        .iter()
        .find(|(place, _)| place == "2:control.transfer");
    let (_, words) = of_transfer.expect("a complaint");
    assert!(
        words.contains("a tunnel to http://10.0.0.1:8090 needs certificates"),
        "{words}"
    );
    assert!(
        words.contains("certificate, key and ca to [link]"),
        "{words}"
    );
    let named = "\"https://one.example:8090\", \"https://two.example:8090\"";
    let found = complaints(&text(named));
    let of_transfer = found
        .iter()
        .filter(|(place, _)| place == "2:control.transfer");
    assert_eq!(of_transfer.count(), 2, "{found:#?}");
    let unknown = complaints("[control]\ntransfer = \"tunel\"");
    assert!(
        unknown[0].1.contains("did you mean `tunnel`?"),
        "{unknown:?}"
    );
}

#[test]
fn values_that_contradict_each_other_are_refused() {
    complains(
        "[relay]\nmax_sessions = 10001",
        "2:relay.max_sessions",
        "10000 at most",
    );
    complains(
        "[relay]\nmedia_ports = \"20000-20003\"",
        "2:relay.media_ports",
        "widen",
    );
    complains(
        "[relay]\nthreads = 2\ncpus = [1]",
        "3:relay.cpus",
        "1 CPUs for 2 threads",
    );
    complains("[relay]\ncpus = [1, 1]", "2:relay.cpus", "named twice");
    complains(
        "[control]\napi = \"127.0.0.1:8090\"",
        "2:control.api",
        "same port",
    );
    complains(
        "[relay]\nlisten = [\"tcp:0.0.0.0:5070\"]",
        "2:relay.listen",
        "same port",
    );
    complains(
        "[relay]\nlisten = [\"udp:0.0.0.0:30000\"]",
        "2:relay.listen",
        "media_ports",
    );
}

#[test]
fn odd_but_usable_values_are_only_warned_about() {
    assert!(read("[control]\napi = \"0.0.0.0:8080\"").is_ok());
    complains(
        "[control]\napi = \"0.0.0.0:8080\"",
        "2:control.api",
        "every interface",
    );
    complains(
        "[control]\nrelays = [\"http://10.0.0.9:1\"]",
        "2:control.relays",
        "not in control.allowed_relays",
    );
    complains(
        "[relay]\ncontrol = [\"10.0.0.2:1\"]\n[control]\nsip = \"10.0.0.3:1\"",
        "2:relay.control",
        "does not name 10.0.0.3:1",
    );
}

#[test]
fn certificate_files_are_looked_at() {
    let text = "[relay]\nlisten = [\"tls:192.0.2.1\"]\ntls_certificate = \"no/a.pem\"\ntls_key = \"no/a.key\"";
    let found = complaints(text);
    let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, ["3:relay.tls_certificate", "4:relay.tls_key"]);
    for (_, said) in &found {
        assert!(
            said.contains("cannot read") && said.contains("put the file there"),
            "{said}"
        );
    }
    let both = "[link]\ncertificate = \"no/a\"\nkey = \"no/b\"\n[control]\nrelays = [\"http://127.0.0.1:1\"]";
    let places: Vec<String> = complaints(both)
        .into_iter()
        .map(|(place, _)| place)
        .collect();
    assert_eq!(
        places,
        [
            "2:link.certificate",
            "2:link.certificate",
            "3:link.key",
            "5:control.relays"
        ]
    );
}
