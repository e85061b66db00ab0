use patchbay_control::api::{self, Api, TOKEN_FILE, Token};
use patchbay_control::link::Secret;
use patchbay_control::node::{self, ControlConfig};
use patchbay_control::store::Store;
use tokio::net::TcpListener;

use super::*;

const TOKEN: &str = "0123456789abcdef";

/// A control node with its API; gives the API's URL.
async fn control() -> String {
    let store = Store::in_memory().await.unwrap();
    let config = ControlConfig {
        sip_listen: "127.0.0.1:0".parse().unwrap(),
        relay_urls: Vec::new(),
        ..ControlConfig::new(Secret::new("a link secret of some length"))
    };
    let node = node::start(config, store.clone()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let token = Token::new(TOKEN);
    let api = Api {
        node: node.handle,
        store,
        token,
        relays: Vec::new(),
        settings: api::Settings::default(),
    };
    tokio::spawn(api::serve(listener, api, std::future::pending()));
    url
}

/// A folder of this test's own with a token and a declaration.
fn folder(test: &str, token: &str) -> PathBuf {
    use std::os::unix::fs::OpenOptionsExt;
    let folder = std::env::temp_dir().join(format!("patchbay-apply-{}-{test}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(
        concat!(env!("CARGO_MANIFEST_DIR"), "/examples/centre.toml"),
        folder.join("centre.toml"),
    )
    .unwrap();
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600);
    let mut file = file.open(folder.join(TOKEN_FILE)).unwrap();
    std::io::Write::write_all(&mut file, token.as_bytes()).unwrap();
    folder
}

fn args(folder: &std::path::Path, api: &str, dry_run: bool) -> ApplyArgs {
    ApplyArgs {
        file: folder.join("centre.toml"),
        api: ApiArgs {
            api: api.to_owned(),
            token_file: None,
            data: Some(folder.to_owned()),
        },
        comment: Some("why & how".to_owned()),
        dry_run,
    }
}

// F5
#[tokio::test]
async fn the_example_is_applied_once_and_is_then_as_declared() {
    let api = control().await;
    let folder = folder("once", TOKEN);
    for dry_run in [true, false, false] {
        let code = run(args(&folder, &api, dry_run)).await.unwrap();
        assert_eq!(code, ExitCode::SUCCESS);
    }
    let text = std::fs::read_to_string(folder.join("centre.toml")).unwrap();
    let centre: Centre = toml::from_str(&text).unwrap();
    let args = args(&folder, &api, false);
    let client = Client::new(&args.api).unwrap();
    let answer = put(&client, &centre, &args).await.unwrap();
    assert_eq!(version(&answer), Some(1), "applied again it is no other");
    assert_eq!(answer.json::<Applied>().await.unwrap(), Applied::default());
    let versions = client.request(Method::GET, "/api/v1/centre/versions");
    let versions: serde_json::Value = client.send(versions).await.unwrap().json().await.unwrap();
    assert_eq!(versions["versions"][0]["comment"], "why & how");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_hinders_is_said_with_what_to_do() {
    let api = control().await;
    let wrong = folder("wrong", "fedcba9876543210");
    let error = run(args(&wrong, &api, false))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("refused the token of") && error.contains("api-token"),
        "{error}"
    );
    let error = run(args(&wrong, "http://127.0.0.1:9", false))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("is `patchbay up` running?"), "{error}");
    let error = run(args(&wrong, "127.0.0.1:8080", false))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("--api"), "{error}");
    std::fs::remove_file(wrong.join(TOKEN_FILE)).unwrap();
    let error = run(args(&wrong, &api, false)).await.unwrap_err();
    assert!(format!("{error:#}").contains("--token-file"), "{error:#}");
    std::fs::write(wrong.join("centre.toml"), "[[queue]]\n").unwrap();
    let code = run(args(&wrong, &api, false)).await.unwrap();
    assert_eq!(code, ExitCode::FAILURE, "not even sent");
    std::fs::remove_dir_all(wrong).unwrap();
}

#[test]
fn changes_are_told_a_line_each() {
    let applied = Applied {
        added: vec!["queue:support".into()],
        changed: vec!["agent:anna".into(), "rules:order".into()],
        removed: Vec::new(),
    };
    let text = told(&applied, "centre.toml", "http://a", false);
    assert_eq!(
        text,
        "centre.toml applied to http://a\n  + queue support\n  ~ agent anna\n  ~ rules order\n\
         1 added, 2 changed, 0 removed\n"
    );
    assert!(told(&applied, "c", "a", true).starts_with("c would be applied to a"));
    assert!(told(&Applied::default(), "c", "a", false).contains("nothing to change"));
}
