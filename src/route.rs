//! `patchbay route`: ask for an agent, and tell what becomes of the contact.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use patchbay_bench::report::Paint;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::{ApiArgs, Client};
use crate::sip::say;

/// How long one question waits for a change, in seconds.
const LONG_POLL_S: u64 = 20;

/// Ask a running centre for an agent, and carry the contact there yourself.
#[derive(Subcommand, Debug)]
pub enum RouteCommand {
    /// Ask for an agent, wait until one is reserved, and print where the agent is
    ///
    /// The contact is typed by the rules and waits in their queues like any other. What becomes of it is
    /// told by `patchbay route report`: the reservation holds for some seconds only.
    #[command(after_help = "Example:\n  \
        patchbay route ask --from sip:dora@example.net --to sip:help@example.com --medium chat --wait 60")]
    Ask(AskArgs),
    /// Print how a contact stands
    Show(ShowArgs),
    /// Tell what became of a contact
    #[command(after_help = "Example:\n  \
        patchbay route report 6a18a5013f38a670 answered --offer d56fdffbc93119e3")]
    Report(ReportArgs),
}

/// Options of `patchbay route ask`.
#[derive(Args, Debug)]
pub struct AskArgs {
    /// Who wants an agent: a URI
    #[arg(long, value_name = "URI")]
    from: String,
    /// The URI that was called; rules see it as Request-URI and To
    #[arg(long, value_name = "URI")]
    to: String,
    /// What it is
    #[arg(long, value_enum, default_value_t = Medium::Call)]
    medium: Medium,
    /// A header field that rules may look at; may be given several times
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = pair)]
    headers: Vec<(String, String)>,
    /// What was chosen in a menu; may be given several times
    #[arg(long = "answer", value_name = "MENU=WORD", value_parser = pair)]
    answers: Vec<(String, String)>,
    /// How many seconds to wait for an agent; then the contact is given up
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
    /// Print the last answer of the API, and nothing else
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: ApiArgs,
}

/// Options of `patchbay route show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// The contact: 16 hexadecimal digits
    #[arg(value_name = "CONTACT")]
    contact: String,
    /// Print the answer of the API
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: ApiArgs,
}

/// Options of `patchbay route report`.
#[derive(Args, Debug)]
pub struct ReportArgs {
    /// The contact: 16 hexadecimal digits
    #[arg(value_name = "CONTACT")]
    contact: String,
    /// What became of it
    #[arg(value_enum)]
    result: Outcome,
    /// The offer, as `ask` and `show` print it; with all but `abandoned`
    #[arg(long, value_name = "OFFER", required_if_eq_any = [("result", "ringing"), ("result", "calling"), ("result", "answered"), ("result", "failed"), ("result", "ended")])]
    offer: Option<String>,
    /// With `failed`: why, such as `busy`, `no_answer`, `declined`, `unreachable`, `customer_away`
    #[arg(long, value_name = "CAUSE")]
    cause: Option<String>,
    /// Print the answer of the API
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: ApiArgs,
}

/// In which medium a contact is served.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Medium {
    /// A conversation that is spoken
    Call,
    /// One that is spoken and seen
    Video,
    /// Written messages
    Chat,
    /// A customer who is to be called
    CallBack,
    /// A page that is looked at together
    Browsing,
}

/// What becomes of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Outcome {
    /// The agent is being called
    Ringing,
    /// The agent has taken the call-back, and the customer is being called
    Calling,
    /// The agent has it; of a call-back: the customer has answered
    Answered,
    /// The agent did not take it
    Failed,
    /// It is over
    Ended,
    /// The customer gave up before an agent had it
    Abandoned,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The word by which the API knows a choice.
fn word(value: impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().replace('-', "_"))
}

/// Runs one of the commands.
///
/// # Errors
/// If the control node cannot be reached, or refuses what is asked.
pub async fn run(command: RouteCommand) -> Result<ExitCode> {
    match command {
        RouteCommand::Ask(args) => ask(args).await,
        RouteCommand::Show(args) => {
            let remote = Client::new(&args.api)?;
            let stands = stands(&remote, &args.contact, "").await?;
            print(&stands, args.json)
        }
        RouteCommand::Report(args) => report(args).await,
    }
}

async fn ask(args: AskArgs) -> Result<ExitCode> {
    let remote = Client::new(&args.api)?;
    let wish = json!({
        "medium": word(args.medium),
        "from": args.from,
        "to": args.to,
        "headers": object(&args.headers),
        "answers": object(&args.answers),
    });
    let request = remote.request(Method::POST, "/api/v1/route").json(&wish);
    let first: Value = read(remote.done(request).await?).await?;
    let contact = text(&first, "contact").to_owned();
    let waiting = follow(&remote, first, Duration::from_secs(args.wait), args.json);
    let last = tokio::select! {
        last = waiting => last?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("signals cannot be waited for")?;
            give_up(&remote, &contact).await?;
            bail!("given up");
        }
    };
    if waits(&last) {
        give_up(&remote, &contact).await?;
        bail!(
            "no agent was free within {} s; the contact was given up",
            args.wait
        );
    }
    print(&last, args.json)
}

/// Waits until the contact has an agent, or will have none; tells of each change.
async fn follow(remote: &Client, mut stands: Value, limit: Duration, quiet: bool) -> Result<Value> {
    let began = Instant::now();
    let contact = text(&stands, "contact").to_owned();
    while waits(&stands) {
        if !quiet {
            say(&line(&stands, Paint::stdout()))?;
        }
        let left = limit.saturating_sub(began.elapsed()).as_secs();
        if left == 0 {
            break;
        }
        let query = format!(
            "?after={}&wait_seconds={}",
            stands["revision"],
            left.min(LONG_POLL_S)
        );
        stands = self::stands(remote, &contact, &query).await?;
    }
    Ok(stands)
}

fn waits(stands: &Value) -> bool {
    matches!(text(stands, "state"), "asking" | "queued")
}

async fn stands(remote: &Client, contact: &str, query: &str) -> Result<Value> {
    let id = patchbay_sip::uri::escape(contact);
    read(remote.get(&format!("/api/v1/route/{id}{query}")).await?).await
}

async fn read(answer: reqwest::Response) -> Result<Value> {
    answer.json().await.context("the answer cannot be read")
}

async fn give_up(remote: &Client, contact: &str) -> Result<()> {
    let path = format!("/api/v1/route/{contact}");
    let abandoned = json!({"result": "abandoned"});
    let request = remote.request(Method::POST, &path).json(&abandoned);
    remote.done(request).await?;
    Ok(())
}

async fn report(args: ReportArgs) -> Result<ExitCode> {
    let remote = Client::new(&args.api)?;
    let id = patchbay_sip::uri::escape(&args.contact);
    let mut body = json!({"result": word(args.result)});
    if let Some(offer) = args.offer.filter(|_| args.result != Outcome::Abandoned) {
        body["offer"] = offer.into();
    }
    if let Some(cause) = args.cause {
        body["cause"] = cause.into();
    }
    let path = format!("/api/v1/route/{id}");
    let request = remote.request(Method::POST, &path).json(&body);
    let stands: Value = read(remote.done(request).await?).await?;
    print(&stands, args.json)
}

fn object(pairs: &[(String, String)]) -> Map<String, Value> {
    let pairs = pairs.iter().cloned();
    pairs
        .map(|(name, value)| (name, Value::String(value)))
        .collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// One line: how a contact stands.
fn line(stands: &Value, paint: Paint) -> String {
    let state = text(stands, "state");
    let told = match state {
        "queued" => {
            let wait = stands["expected_ms"].as_u64().map_or_else(
                || "nobody knows for how long".to_owned(),
                |ms| format!("about {} s to wait", ms / 1_000),
            );
            let queue = text(stands, "queue");
            format!("in {queue} at position {}, {wait}", stands["position"])
        }
        "offered" => format!(
            "{} is reserved for {} s, at {}; offer {}",
            text(stands, "agent"),
            stands["ring_seconds"],
            stands["uri"].as_str().unwrap_or("no address"),
            text(stands, "offer")
        ),
        "connected" => format!("with {}", text(stands, "agent")),
        "ended" => format!("with {}: {}", text(stands, "agent"), text(stands, "cause")),
        "refused" => format!("with {}: {}", stands["status"], text(stands, "why")),
        "redirected" => format!("to {}", text(stands, "to")),
        _ => String::new(),
    };
    let state = match state {
        "offered" | "connected" | "ended" => paint.good(state),
        "refused" | "abandoned" => paint.bad(state),
        _ => state.to_owned(),
    };
    let contact = paint.faint(text(stands, "contact"));
    format!("{contact}  {state}  {told}\n")
}

/// Prints how a contact stands; fails for one that nobody will serve.
fn print(stands: &Value, json: bool) -> Result<ExitCode> {
    match json {
        true => say(&format!("{stands}\n"))?,
        false => say(&line(stands, Paint::stdout()))?,
    }
    Ok(match text(stands, "state") {
        "refused" => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    })
}
