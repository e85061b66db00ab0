//! Commands that ask a running control node: where its API is, and what opens it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use patchbay_control::api::{Problem, TOKEN_FILE};
use patchbay_control::store::secret;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use crate::config::{Environment, fields};

/// Longest pause in an answer.
const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Options of commands that ask a control node.
#[derive(Args, Debug)]
pub struct ApiArgs {
    /// The API of the control node
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub api: String,
    /// File with the API token [default: api-token in the data directory]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Data directory of the control node, where its token is [default: as for `patchbay up`]
    #[arg(long, value_name = "DIR", conflicts_with = "token_file")]
    pub data: Option<PathBuf>,
}

/// A control node's API, not asked anything yet.
pub struct Client {
    /// Its base URL.
    pub api: String,
    token: String,
    token_file: PathBuf,
    http: reqwest::Client,
}

impl Client {
    /// Reads the token.
    ///
    /// # Errors
    /// If the URL is none, or the token cannot be read.
    pub fn new(args: &ApiArgs) -> Result<Client> {
        let api = fields::base_url(&args.api)
            .map_err(|fault| anyhow!("--api: {}; {}", fault.what, fault.remedy))?;
        let token_file = token_file(
            args.token_file.as_deref(),
            args.data.as_deref(),
            &Environment::of_process(),
        );
        let token = secret::read(&token_file).with_context(|| {
            "no API token; run this as the user of the control node, or name a copy of its token \
             with --token-file"
        })?;
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(TIMEOUT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("the HTTP client cannot start")?;
        Ok(Client {
            api,
            token,
            token_file,
            http,
        })
    }

    /// A request for a path such as `/api/v1/centre`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.api);
        self.http.request(method, url).bearer_auth(&self.token)
    }

    /// Sends a request; any answer but that the token is wrong is the caller's to judge.
    ///
    /// # Errors
    /// If nobody answers, or the token is refused.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let api = &self.api;
        let answer = request.send().await.map_err(|error| {
            let cause = innermost(&error);
            match error.is_connect() || error.is_timeout() {
                true => anyhow!(
                    "no control node answers at {api} ({cause}); is `patchbay up` running? --api \
                     names another address"
                ),
                false => anyhow!("{api}: {cause}"),
            }
        })?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            bail!(
                "{api} refused the token of {}; is it the token of this control node?",
                self.token_file.display()
            );
        }
        Ok(answer)
    }

    /// What is at a path, if it is there.
    ///
    /// # Errors
    /// If nobody answers, or the answer is not 200.
    pub async fn get(&self, path: &str) -> Result<Response> {
        self.done(self.request(Method::GET, path)).await
    }

    /// All entries of a list, page by page: what stands under `name` on each.
    ///
    /// # Errors
    /// If nobody answers, or an answer is not a page of the list.
    pub async fn pages(&self, path: &str, name: &str) -> Result<Vec<Value>> {
        let mut entries = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next {
            let answer = self.get(&path).await?;
            next = next_page(&answer);
            let mut page: Value = answer.json().await.context("the answer cannot be read")?;
            match page.get_mut(name).map(Value::take) {
                Some(Value::Array(more)) => entries.extend(more),
                _ => bail!("{}: the answer holds no `{name}`", self.api),
            }
        }
        Ok(entries)
    }

    /// Sends a request that is to succeed.
    ///
    /// # Errors
    /// If nobody answers, or the answer is no success; every fault of what was sent is named.
    pub async fn done(&self, request: RequestBuilder) -> Result<Response> {
        let answer = self.send(request).await?;
        let api = &self.api;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            status => match answer.json::<Problem>().await {
                Ok(problem) => {
                    let faults = problem.errors.iter();
                    let faults =
                        faults.map(|f| format!("\n  {}: {}; {}", f.path, f.message, f.remedy));
                    let faults: String = faults.collect();
                    bail!("{api}: {}: {}{faults}", problem.title, problem.detail)
                }
                Err(_) => bail!("{api} answered {status}, and not as a control node does"),
            },
        }
    }
}

/// Where the next page of a list is (RFC 8288).
fn next_page(answer: &Response) -> Option<String> {
    let link = answer.headers().get(reqwest::header::LINK)?.to_str().ok()?;
    let path = link.strip_suffix(">; rel=\"next\"")?.strip_prefix('<')?;
    Some(path.to_owned())
}

/// Where the API's token is: in a file that is named, or in a data directory.
pub fn token_file(file: Option<&Path>, data: Option<&Path>, environment: &Environment) -> PathBuf {
    match (file, data) {
        (Some(file), _) => file.to_owned(),
        (None, Some(data)) => data.join(TOKEN_FILE),
        (None, None) => environment.default_data().join(TOKEN_FILE),
    }
}

/// The outer errors only repeat the URL.
pub fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
