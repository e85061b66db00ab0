//! Where messages come from: control's API.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use patchbay_control::api::Problem;
use patchbay_control::link::LineReader;
use patchbay_control::store::secret;
use patchbay_route::trace::TraceLine;
use reqwest::{Response, StatusCode};

use super::TraceArgs;
use crate::client::{innermost, token_file};
use crate::config::{Environment, fields};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Control says at least every few seconds that a trace goes on.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A trace that is being read.
pub struct Source {
    answer: Response,
    reader: LineReader,
    lines: VecDeque<Vec<u8>>,
}

impl Source {
    /// Asks control.
    pub async fn open(args: &TraceArgs) -> Result<Source> {
        let api = fields::base_url(&args.api)
            .map_err(|fault| anyhow!("--api: {}; {}", fault.what, fault.remedy))?;
        let environment = Environment::of_process();
        let file = token_file(
            args.token_file.as_deref(),
            args.data.as_deref(),
            &environment,
        );
        let token = secret::read(&file).with_context(|| {
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
        let url = format!("{api}/api/v1/trace?{}", query(args));
        let answer = client.get(url).bearer_auth(token).send().await;
        let answer = answer.map_err(|error| match error.is_connect() {
            true => anyhow!(
                "no control node answers at {api} ({}); --api names another address",
                innermost(&error)
            ),
            false => anyhow!("{api}: {}", innermost(&error)),
        })?;
        match answer.status() {
            StatusCode::OK => Ok(Source {
                answer,
                reader: LineReader::default(),
                lines: VecDeque::new(),
            }),
            StatusCode::UNAUTHORIZED => bail!(
                "{api} refused the token of {}; is it the token of this control node?",
                file.display()
            ),
            status => bail!("{api} answered {status}: {}", detail(answer).await),
        }
    }

    /// The next line; none at the end.
    pub async fn next(&mut self) -> Result<Option<TraceLine>> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                let line = serde_json::from_slice(&line).context("the answer cannot be read")?;
                return Ok(Some(line));
            }
            let chunk = self.answer.chunk().await;
            let chunk =
                chunk.map_err(|error| anyhow!("the trace broke off: {}", innermost(&error)))?;
            match chunk {
                None => return Ok(None),
                Some(chunk) => self.lines.extend(self.reader.push(&chunk)?),
            }
        }
    }
}

async fn detail(answer: Response) -> String {
    match answer.json::<Problem>().await {
        Ok(problem) => problem.detail,
        Err(_) => "and not as a control node does".to_owned(),
    }
}

/// What is asked for, as a query.
fn query(args: &TraceArgs) -> String {
    let text = |value: &Option<String>| value.as_deref().map(patchbay_sip::uri::escape);
    let number = |value: Option<u64>| value.map(|number| number.to_string());
    let yes = |value: bool| value.then(|| "true".to_owned());
    let pairs = [
        ("call_id", text(&args.call_id)),
        ("from", text(&args.from)),
        ("to", text(&args.to)),
        ("contact", text(&args.contact)),
        ("source", args.source.map(|ip| ip.to_string())),
        ("method", text(&args.method)),
        ("last", yes(args.last)),
        ("follow", yes(args.follow)),
        ("secrets", yes(args.secrets)),
        ("messages", number(args.messages)),
        ("seconds", number(args.seconds)),
    ];
    let given = pairs
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value?)));
    given.collect::<Vec<_>>().join("&")
}
