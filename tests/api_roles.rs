//! Tokens of the API, given out by the command: each opens what its role may, and the log says who did what.

use crate::support;

use std::process::{Command, Output};

use support::Centre;
use support::api::Api;
use support::centre::PATCHBAY;

/// Runs `patchbay` against a centre with the token of its data directory.
fn patchbay(centre: &Centre, args: &[&str]) -> Output {
    let api = format!("http://{}", centre.api_address);
    let mut command = Command::new(PATCHBAY);
    command.args(args).args(["--api", &api]);
    command.arg("--data").arg(centre.folder.file("data"));
    command.output().expect("patchbay runs")
}

fn said(output: Output) -> String {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    let errors = text(output.stderr);
    assert!(output.status.success(), "{errors}");
    text(output.stdout)
}

fn create(centre: &Centre, args: &[&str]) -> String {
    let text = said(patchbay(centre, &[&["token", "create"], args].concat()));
    let token = text.trim_end();
    assert!(token.starts_with("pb_") && token.len() == 84, "{token}");
    token.to_owned()
}

fn status(api: &Api, method: &str, path: &str) -> u16 {
    let body = serde_json::json!({"status": "paused", "reason": "lunch"});
    let body = (method == "POST").then_some(&body);
    api.request(method, path, body).status
}

// F5
#[test]
fn the_command_gives_out_tokens_that_open_what_their_roles_may() {
    let centre = Centre::start();
    centre.declare_anna();
    let wallboard = [
        "--role",
        "supervisor",
        "--name",
        "wallboard",
        "--expires",
        "90d",
    ];
    let supervisor = create(&centre, &wallboard);
    let desk = [
        "--role",
        "agent",
        "--name",
        "anna's desk",
        "--agent",
        "anna",
    ];
    let agent = create(&centre, &desk);
    let crm = [
        "--role",
        "integration",
        "--name",
        "crm",
        "--scope",
        "contacts:read,events:read",
    ];
    let program = create(&centre, &crm);
    let api = |token: &str| Api::new(centre.api_address, Some(token));
    let (supervisor, agent, program) = (api(&supervisor), api(&agent), api(&program));
    let anna = "/api/v1/agents/anna";
    let set = "/api/v1/agents/anna/status";
    for (method, path, [of_supervisor, of_agent, of_program]) in [
        ("GET", "/api/v1/agents", [200, 403, 403]),
        ("GET", anna, [200, 200, 403]),
        ("POST", set, [204, 204, 403]),
        ("POST", "/api/v1/agents/ben/status", [404, 403, 403]),
        ("DELETE", anna, [403, 403, 403]),
        ("GET", "/api/v1/contacts", [200, 403, 200]),
        ("GET", "/api/v1/tokens", [403, 403, 403]),
        ("GET", "/api/v1/audit", [403, 403, 403]),
        ("GET", "/metrics", [200, 403, 403]),
    ] {
        assert_eq!(
            status(&supervisor, method, path),
            of_supervisor,
            "{method} {path}"
        );
        assert_eq!(status(&agent, method, path), of_agent, "{method} {path}");
        assert_eq!(
            status(&program, method, path),
            of_program,
            "{method} {path}"
        );
    }
    let log = said(patchbay(&centre, &["audit"]));
    let first = log
        .lines()
        .find(|line| line.contains(set))
        .expect("an entry");
    assert!(
        first.contains("403") && first.contains("needs agents:write"),
        "{log}"
    );
    let done = log
        .lines()
        .find(|line| line.contains(set) && line.contains("204"));
    assert!(done.is_some_and(|line| line.contains("lunch")), "{log}");
    let csv = said(patchbay(&centre, &["audit", "--csv", "--limit", "2"]));
    assert_eq!(csv.lines().count(), 3, "{csv}");
}

// F5
#[test]
fn a_token_is_rotated_and_revoked_by_the_command() {
    let centre = Centre::start();
    let first = create(&centre, &["--role", "admin", "--name", "second"]);
    let id = first.get(3..19).expect("an identifier").to_owned();
    let second = said(patchbay(
        &centre,
        &["token", "rotate", &id, "--grace", "0s"],
    ));
    let open = |token: &str| {
        let api = Api::new(centre.api_address, Some(token.trim_end()));
        status(&api, "GET", "/api/v1/agents")
    };
    assert_eq!((open(&first), open(&second)), (401, 200));
    let list = said(patchbay(&centre, &["token", "list"]));
    assert!(list.contains(&id) && list.contains("second") && !list.contains(second.trim_end()));
    said(patchbay(&centre, &["token", "revoke", &id]));
    assert_eq!(open(&second), 401);
    let list = said(patchbay(&centre, &["token", "list"]));
    assert!(list.contains("revoked"), "{list}");

    let wrong = [
        "token", "create", "--role", "agent", "--name", "x", "--agent", "nobody",
    ];
    let wrong = patchbay(&centre, &wrong);
    let errors = String::from_utf8_lossy(&wrong.stderr);
    assert!(
        !wrong.status.success() && errors.contains("nobody"),
        "{errors}"
    );
}
