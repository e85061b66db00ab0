//! `patchbay sip`: looking at the signalling of a running centre.

mod ladder;
mod list;
mod live;
mod reading;
mod source;
mod story;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use patchbay_bench::report::Paint;
use patchbay_control::api::pcap::PcapWriter;
use patchbay_route::trace::{TraceEnd, TraceLine, TracedMessage};

use ladder::Look;
pub use list::clock;
use live::Live;
use source::Source;
use story::Stories;

/// Columns where there is no terminal to ask.
const USUAL_WIDTH: usize = 100;

/// What to look at.
#[derive(Subcommand, Debug)]
pub enum SipCommand {
    /// Show calls as ladders: who sent what to whom, and when
    ///
    /// Without an option that names calls, those that the relays have kept are listed (`trace_ring` in
    /// [relay]). Of a call both sides are shown, by whichever of them it is found, with control between
    /// them. Secrets are struck out.
    Trace(Box<TraceArgs>),
}

/// Options of `patchbay sip trace`.
#[derive(Args, Debug)]
pub struct TraceArgs {
    /// The call with this Call-ID, on whichever side
    #[arg(long, value_name = "ID")]
    call_id: Option<String>,
    /// Calls from this user, or from this address (anna@example.com)
    #[arg(long, value_name = "USER")]
    from: Option<String>,
    /// Calls to this user or address, or offered to this agent
    #[arg(long, value_name = "USER")]
    to: Option<String>,
    /// The call of this contact, or of this session
    #[arg(long, value_name = "ID")]
    contact: Option<String>,
    /// Calls with a party at this address
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// The call that began last
    #[arg(long)]
    last: bool,
    /// Only messages of this method, and their answers
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Go on with what comes, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// Write the messages to a file that tcpdump, Wireshark and sngrep read
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Show the messages themselves too
    #[arg(long)]
    full: bool,
    /// Show credentials, signatures and tokens as they are
    #[arg(long)]
    secrets: bool,
    /// End after so many messages of each relay: 100000 at most [default: 10000]
    #[arg(long, value_name = "COUNT")]
    messages: Option<u64>,
    /// Follow for so many seconds: 3600 at most [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Columns of the screen [default: those of the terminal, else 100]
    #[arg(long, value_name = "COLUMNS")]
    width: Option<usize>,
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

impl TraceArgs {
    /// Whether certain calls are asked for.
    fn names_calls(&self) -> bool {
        let named = [&self.call_id, &self.from, &self.to, &self.contact];
        named.iter().any(|name| name.is_some()) || self.source.is_some() || self.last
    }

    fn look(&self) -> Look {
        let terminal = console::Term::stdout();
        let found = terminal.size_checked().map(|(_, columns)| columns.into());
        Look {
            width: self.width.or(found).unwrap_or(USUAL_WIDTH),
            full: self.full,
            paint: Paint::stdout(),
        }
    }
}

/// Looks at the signalling.
///
/// # Errors
/// If the control node cannot be reached or refuses, or the capture cannot be written.
pub async fn run(command: SipCommand) -> Result<ExitCode> {
    match command {
        SipCommand::Trace(args) => trace(&args).await,
    }
}

async fn trace(args: &TraceArgs) -> Result<ExitCode> {
    let mut source = Source::open(args).await?;
    let mut capture = args.pcap.as_deref().map(Capture::create).transpose()?;
    let look = args.look();
    let mut live = args.follow.then(|| Live::new(look));
    let mut stories = Stories::default();
    let (mut found, mut end) = (false, None);
    while let Some(line) = source.next().await? {
        match line {
            TraceLine::Message(message) => {
                found = true;
                if let Some(capture) = &mut capture {
                    capture.write(&message)?;
                }
                match &mut live {
                    Some(live) => say(&live.message(&message))?,
                    None => stories.add(message),
                }
            }
            TraceLine::Lost(count) => eprintln!("{count} earlier or further messages are left out"),
            TraceLine::Unreachable { relay, error } => eprintln!("{relay} is not shown: {error}"),
            TraceLine::End(why) => end = Some(why),
        }
    }
    if live.is_none() {
        match args.names_calls() || stories.calls() == 1 {
            true => say(&stories.ladders(look, args.last))?,
            false => say(&stories.list(look.paint))?,
        }
    }
    if let Some(why) = end.and_then(told) {
        eprintln!("{why}");
    }
    if !found {
        eprintln!("nothing that is kept fits; --follow waits for what comes");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes to standard output; who closes it has seen enough.
pub fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.context("cannot write to standard output"),
    }
}

/// Why a trace ended before its time.
fn told(why: TraceEnd) -> Option<&'static str> {
    match why {
        TraceEnd::Shown | TraceEnd::Time => None,
        TraceEnd::Messages => Some("the trace ends: as many messages as --messages allows"),
        TraceEnd::Bytes => Some("the trace ends: as many bytes as are shown at once"),
        TraceEnd::Calls => Some("the trace ends: too many calls at once; name one"),
        TraceEnd::Stopping => Some("the trace ends: what it was read from is stopping"),
    }
}

/// A capture under way. What was written stays whenever the program is ended.
struct Capture {
    file: File,
    path: PathBuf,
    writer: PcapWriter,
}

impl Capture {
    fn create(path: &std::path::Path) -> Result<Capture> {
        let file =
            File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        let mut capture = Capture {
            file,
            path: path.to_owned(),
            writer: PcapWriter::default(),
        };
        capture.put(&PcapWriter::head())?;
        Ok(capture)
    }

    fn write(&mut self, message: &TracedMessage) -> Result<()> {
        let packets = self.writer.message(message);
        self.put(&packets)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes);
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}
