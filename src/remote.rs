//! Asking the API of a running control node.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use patchbay_control::api::Problem;
use patchbay_control::store::secret;
use reqwest::{Response, StatusCode};

use crate::apply::{innermost, token_file};
use crate::config::{Environment, fields};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest pause in an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Where the API is, and what opens it.
#[derive(Args, Debug)]
pub struct ApiArgs {
    /// The API of the control node
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    api: String,
    /// File with the API token [default: api-token in the data directory]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Data directory of the control node, where its token is [default: as for `patchbay up`]
    #[arg(long, value_name = "DIR", conflicts_with = "token_file")]
    data: Option<PathBuf>,
}

/// A control node that can be asked.
pub struct Remote {
    client: reqwest::Client,
    api: String,
    token: String,
    token_file: PathBuf,
}

impl Remote {
    /// Reads the token.
    ///
    /// # Errors
    /// If the address is none, or the token cannot be read.
    pub fn open(args: &ApiArgs) -> Result<Remote> {
        let api = fields::base_url(&args.api)
            .map_err(|fault| anyhow!("--api: {}; {}", fault.what, fault.remedy))?;
        let environment = Environment::of_process();
        let token_file = token_file(
            args.token_file.as_deref(),
            args.data.as_deref(),
            &environment,
        );
        let token = secret::read(&token_file).with_context(|| {
            "no API token; run this as the user of the control node, or name a copy of its token \
             with --token-file"
        })?;
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("the HTTP client cannot start")?;
        Ok(Remote {
            client,
            api,
            token,
            token_file,
        })
    }

    /// What is at a path, if it is there.
    ///
    /// # Errors
    /// If nobody answers, or the answer is not 200.
    pub async fn get(&self, path: &str) -> Result<Response> {
        let url = format!("{}{path}", self.api);
        let answer = self.client.get(url).bearer_auth(&self.token).send().await;
        let api = &self.api;
        let answer = answer.map_err(|error| match error.is_connect() {
            true => anyhow!(
                "no control node answers at {api} ({}); is `patchbay up` running? --api names \
                 another address",
                innermost(&error)
            ),
            false => anyhow!("{api}: {}", innermost(&error)),
        })?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            StatusCode::UNAUTHORIZED => bail!(
                "{api} refused the token of {}; is it the token of this control node?",
                self.token_file.display()
            ),
            status => match answer.json::<Problem>().await {
                Ok(problem) => bail!("{api}: {}: {}", problem.title, problem.detail),
                Err(_) => bail!("{api} answered {status}, and not as a control node does"),
            },
        }
    }
}
