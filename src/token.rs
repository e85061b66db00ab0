//! `patchbay token`: gives out tokens of the API, lists, rotates and revokes them.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use patchbay_bench::report::Paint;
use patchbay_sip::uri::escape;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{ApiArgs, Client};
use crate::sip::{clock, say};
use crate::table::{Line, table};

const PATH: &str = "/api/v1/tokens";
/// Columns of texts.
const TEXTS: [&str; 6] = ["id", "name", "role", "may", "last used", "state"];

/// What is done with tokens.
#[derive(Subcommand, Debug)]
#[command(after_help = "\
A token opens the API for one client, as far as its role goes:

  admin         everything, tokens and the audit log included
  supervisor    sees everything else, sets agents' states, ends contacts, takes traces
  agent         its own agent alone: state, current contact, status
  integration   what its scopes name: agents:read agents:write audit:read centre:read centre:write
                contacts:end contacts:read contacts:route events:read metrics:read queues:read
                records:read relays:read reports:read rules:explain trace

  patchbay token create --role supervisor --name wallboard --expires 90d
  patchbay token create --role agent --name \"anna's desk\" --agent anna
  patchbay token create --role integration --name crm --scope contacts:read --scope events:read
  patchbay token create --role integration --name lyon --scope contacts:route --queue support
  patchbay token rotate 3f0c2a9be1d45577 --grace 1h

The text of a token is printed once, on standard output, and is kept nowhere. The commands ask the
API with the token of the data directory; --token-file names another one of the role admin.")]
pub enum TokenCommand {
    /// Give out a token
    Create(CreateArgs),
    /// List the tokens, revoked and expired ones as well
    List(ListArgs),
    /// Give a token another text; the old one still counts for a while
    Rotate(RotateArgs),
    /// Take a token back: it opens nothing from now on
    Revoke(RevokeArgs),
}

/// Options of `patchbay token create`.
#[derive(Args, Debug)]
pub struct CreateArgs {
    /// What the token is for
    #[arg(long, value_enum)]
    role: Role,
    /// What people call it
    #[arg(long)]
    name: String,
    /// The agent that it is bound to; for the role agent
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// What it may; for the role integration, as often as needed
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scope: Vec<String>,
    /// The queues whose agents alone it may ask for, such as for another centre; with contacts:route
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    queue: Vec<String>,
    /// When it expires, such as 90d, 12h, 30m or 45s [default: never]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    expires: Option<u64>,
    #[command(flatten)]
    api: ApiArgs,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Everything
    Admin,
    /// Sees everything but tokens and the audit log; sets agents' states, ends contacts, takes traces
    Supervisor,
    /// One agent
    Agent,
    /// A program with scopes
    Integration,
}

/// Options of `patchbay token list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print the tokens as the API documents them
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    api: ApiArgs,
}

/// Options of `patchbay token rotate`.
#[derive(Args, Debug)]
pub struct RotateArgs {
    /// The token's identifier
    #[arg(value_name = "ID")]
    id: String,
    /// How long the old text still counts, up to 7d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    grace: u64,
    #[command(flatten)]
    api: ApiArgs,
}

/// Options of `patchbay token revoke`.
#[derive(Args, Debug)]
pub struct RevokeArgs {
    /// The token's identifier
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    api: ApiArgs,
}

/// What is shown of a token; the API documents it.
#[derive(Deserialize)]
struct Token {
    id: String,
    name: String,
    role: String,
    agent: Option<String>,
    scopes: Vec<String>,
    queues: Vec<String>,
    expires_unix_ms: Option<u64>,
    revoked_unix_ms: Option<u64>,
    last_used_unix_ms: Option<u64>,
}

/// A token with its text.
#[derive(Deserialize)]
struct Given {
    token: String,
    #[serde(flatten)]
    about: Token,
}

/// A time with its unit: `90d`, `12h`, `30m`, `45s`.
fn seconds(text: &str) -> Result<u64, String> {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let mut read = units.into_iter().filter_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(seconds)
    });
    read.next()
        .ok_or_else(|| "write a number with its unit: 90d, 12h, 30m or 45s".to_owned())
}

/// Does what is asked.
///
/// # Errors
/// If the control node cannot be reached, or refuses.
pub async fn run(command: TokenCommand) -> Result<ExitCode> {
    match command {
        TokenCommand::Create(args) => create(args).await?,
        TokenCommand::List(args) => list(args).await?,
        TokenCommand::Rotate(args) => {
            let client = Client::new(&args.api)?;
            let path = format!("{PATH}/{}/rotate", escape(&args.id));
            let request = client.request(Method::POST, &path);
            let request = request.json(&json!({"grace_s": args.grace}));
            give(&client, request, "rotated").await?;
        }
        TokenCommand::Revoke(args) => {
            let client = Client::new(&args.api)?;
            let path = format!("{PATH}/{}", escape(&args.id));
            let answer = client.done(client.request(Method::DELETE, &path)).await?;
            let token: Token = answer.json().await.context("the answer cannot be read")?;
            say(&format!("revoked {} ({})\n", token.id, token.name))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(args: CreateArgs) -> Result<()> {
    let client = Client::new(&args.api)?;
    let role = match args.role {
        Role::Admin => "admin",
        Role::Supervisor => "supervisor",
        Role::Agent => "agent",
        Role::Integration => "integration",
    };
    let wish = json!({
        "name": args.name,
        "role": role,
        "agent": args.agent,
        "scopes": args.scope,
        "queues": args.queue,
        "expires_in_s": args.expires,
    });
    let request = client.request(Method::POST, PATH).json(&wish);
    give(&client, request, "created").await
}

/// Prints a text on standard output, so that it can be put into a file, and what it is beside it.
async fn give(client: &Client, request: reqwest::RequestBuilder, done: &str) -> Result<()> {
    let answer = client.done(request).await?;
    let given: Given = answer.json().await.context("the answer cannot be read")?;
    let Token { id, name, .. } = &given.about;
    eprintln!("{done} {id} ({name}); this is the only time that its text is shown:");
    say(&format!("{}\n", given.token))
}

async fn list(args: ListArgs) -> Result<()> {
    let client = Client::new(&args.api)?;
    let tokens: Vec<Value> = client.pages(PATH, "tokens").await?;
    if args.json {
        return say(&format!("{}\n", Value::Array(tokens)));
    }
    let tokens = serde_json::from_value::<Vec<Token>>(Value::Array(tokens));
    let tokens = tokens.context("the answer cannot be read")?;
    if tokens.is_empty() {
        return say("no tokens were given out; `patchbay token create --help` tells how\n");
    }
    let now = jiff::Timestamp::now().as_millisecond();
    let now = u64::try_from(now).unwrap_or(0);
    let lines: Vec<Line> = tokens.iter().map(|token| line(token, now)).collect();
    say(&table(&lines, &TEXTS, Paint::stdout()))
}

fn line(token: &Token, now: u64) -> Line {
    let at = |unix_ms: u64| clock(unix_ms.saturating_mul(1_000));
    let state = match (token.revoked_unix_ms, token.expires_unix_ms) {
        (Some(revoked), _) => format!("revoked {}", at(revoked)),
        (None, Some(until)) if until <= now => format!("expired {}", at(until)),
        (None, Some(until)) => format!("expires {}", at(until)),
        (None, None) => String::new(),
    };
    let may = match &token.agent {
        Some(agent) => agent.clone(),
        None if token.queues.is_empty() => token.scopes.join(" "),
        None => format!("{} in {}", token.scopes.join(" "), token.queues.join(" ")),
    };
    vec![
        ("id", token.id.clone()),
        ("name", token.name.clone()),
        ("role", token.role.clone()),
        ("may", may),
        (
            "last used",
            token
                .last_used_unix_ms
                .map_or_else(|| "never".to_owned(), at),
        ),
        ("state", state),
    ]
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_have_units() {
        let read = ["90d", "12h", "30m", "45s"].map(|text| seconds(text).ok());
        assert_eq!(read, [Some(7_776_000), Some(43_200), Some(1_800), Some(45)]);
        for wrong in ["", "90", "d", "1.5h", "-1d", "9d9h", "99999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
