//! A client of the product's HTTP APIs.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; panics if it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text))
    }
}

/// An event stream that is being followed.
#[derive(Debug)]
pub struct Stream {
    text: Arc<Mutex<String>>,
    _runtime: Runtime,
}

impl Stream {
    /// Everything that came so far.
    pub fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }
}

/// A client with one base address and one token.
#[derive(Debug)]
pub struct Api {
    runtime: Runtime,
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Api {
    /// A client that authenticates with `token`.
    pub fn new(address: SocketAddr, token: Option<&str>) -> Api {
        Api {
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
            client: reqwest::Client::builder()
                .timeout(Duration::from_secs(5))
                .no_proxy()
                // One that is kept may be closed by the server in the moment of its next use.
                .pool_max_idle_per_host(0)
                .build()
                .expect("an HTTP client"),
            base: format!("http://{address}"),
            token: token.map(str::to_owned),
        }
    }

    /// Sends a request; `None` if there was no answer at all.
    pub fn try_request(&self, method: &str, path: &str, body: Option<&Value>) -> Option<Answer> {
        let method = method.parse().expect("a method");
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            let text = response.text().await.ok()?;
            Some(Answer { status, text })
        })
    }

    /// Sends a request that must be answered.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_request(method, path, body)
            .unwrap_or_else(|| panic!("no answer to {method} {}{path}", self.base))
    }

    /// GET with status 200 and JSON.
    pub fn get(&self, path: &str) -> Value {
        let answer = self.request("GET", path, None);
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text);
        answer.json()
    }

    /// POSTs a text.
    pub fn send_text(&self, path: &str, kind: &str, text: &str) -> Answer {
        let mut request = self
            .client
            .post(format!("{}{path}", self.base))
            .header("Content-Type", kind)
            .body(text.to_owned());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        self.runtime.block_on(async {
            let response = request.send().await.expect("an answer");
            let status = response.status().as_u16();
            let text = response.text().await.expect("a text");
            Answer { status, text }
        })
    }

    /// Follows an event stream until the returned value is dropped.
    pub fn follow(&self, path: &str) -> Stream {
        let url = format!("{}{path}", self.base);
        let token = self.token.clone().unwrap_or_default();
        let text: Arc<Mutex<String>> = Arc::default();
        let into = Arc::clone(&text);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let mut response = runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build();
            let request = client.expect("a client").get(url).bearer_auth(token);
            let response = request.send().await.expect("an answer");
            assert_eq!(response.status().as_u16(), 200);
            response
        });
        runtime.spawn(async move {
            while let Ok(Some(chunk)) = response.chunk().await {
                into.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&chunk));
            }
        });
        Stream {
            text,
            _runtime: runtime,
        }
    }

    /// The items of a collection.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let value = self.get(path);
        let name = path.rsplit('/').next().unwrap_or_default();
        let items = value.get(name).or_else(|| value.get("items"));
        match items.unwrap_or(&value) {
            Value::Array(items) => items.clone(),
            other => panic!("no list in the answer to GET {path}: {other}"),
        }
    }

    /// One sample of the metrics page, all label sets of the name added up.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.request("GET", "/metrics", None);
        assert_eq!(page.status, 200, "{}", page.text);
        page.text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let rest = line.strip_prefix(name)?;
                (rest.starts_with('{') || rest.starts_with(' ')).then_some(line)
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}
