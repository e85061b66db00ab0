//! The status page is whole in itself and holds no data (F5).
#![allow(clippy::unwrap_used)]

use crate::api_support;

use api_support::Server;

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let server = Server::configured().await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/status.css", "text/css"),
        ("/status.js", "text/javascript"),
    ] {
        let answer = server.http.get(server.url(path)).send().await.unwrap();
        let headers = answer.headers().clone();
        assert!(headers["content-type"].to_str().unwrap().starts_with(kind));
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert_eq!(headers["referrer-policy"], "no-referrer");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("://"), "{path} names another host");
        assert!(!text.contains("anna"), "{path} holds data");
        assert!(
            !text.contains("innerHTML"),
            "{path}: callers choose what is shown"
        );
    }
}
