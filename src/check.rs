//! `patchbay check`: says everything that is wrong with a configuration, before it is used.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use patchbay_core::Centre;
use patchbay_relay::audio::Library;

use crate::check_sounds;
use crate::config::centre::{self, CheckedCentre};
use crate::config::{Checked, Config, Environment, Problems, Source, problem};

/// Options of `patchbay check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// patchbay.toml or centre.toml; which of the two is seen by the content
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
}

/// Checks files: problems go to stderr, a summary of what they declare to stdout.
///
/// # Errors
/// If a file cannot be read.
pub fn run(args: CheckArgs) -> Result<ExitCode> {
    let environment = Environment::of_process();
    let mut failed = false;
    let mut sources = Vec::new();
    for file in &args.files {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        sources.push(Source::new(file.to_string_lossy(), text));
    }
    let library = library(&sources, &environment)?;
    for (file, source) in args.files.iter().zip(&sources) {
        let verdict = check(source, &environment, library.as_ref());
        if !verdict.problems.0.is_empty() {
            eprintln!("{}\n", verdict.problems);
        }
        let errors = verdict.problems.errors();
        let warnings = verdict.problems.warnings();
        match verdict.summary {
            Some(summary) => println!("{}: {summary}", file.display()),
            None => eprintln!("{}: {}", file.display(), counted(errors, warnings)),
        }
        failed |= errors > 0 || (args.strict && warnings > 0);
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn plural(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}

fn counted(errors: usize, warnings: usize) -> String {
    match warnings {
        0 => plural(errors, "error"),
        _ => format!(
            "{}, {}",
            plural(errors, "error"),
            plural(warnings, "warning")
        ),
    }
}

/// What there is to say about a file.
#[derive(Debug)]
pub struct Verdict {
    /// Errors and warnings.
    pub problems: Problems,
    /// What the file declares, if it has no errors.
    pub summary: Option<String>,
}

/// The sounds of the first host among the files, if there is one without errors, and a centre that they
/// are for.
fn library(sources: &[Source], environment: &Environment) -> Result<Option<Library>> {
    if !sources.iter().any(|one| Kind::of(one) == Kind::Centre) {
        return Ok(None);
    }
    let mut hosts = sources.iter().filter(|one| Kind::of(one) == Kind::Host);
    let host = hosts.find_map(|host| Config::read(host, environment, None).ok());
    let Some(Checked { config, .. }) = host else {
        return Ok(None);
    };
    let folder = crate::up::sounds(&config);
    let library = check_sounds::library(folder.as_deref());
    library.context("the relay would not start").map(Some)
}

/// Checks one text; with the sounds of a relay also whether callers would hear what it names.
pub fn check(source: &Source, environment: &Environment, sounds: Option<&Library>) -> Verdict {
    let read = match Kind::of(source) {
        Kind::Centre => centre::read(source).map(|CheckedCentre { centre, warnings }| {
            let unheard =
                sounds.map_or_else(Vec::new, |sounds| check_sounds::missing(&centre, sounds));
            (with(warnings, source, unheard), about_centre(&centre))
        }),
        Kind::Host => Config::read(source, environment, None)
            .map(|Checked { config, warnings }| (warnings, about_host(&config))),
        Kind::Unknown => {
            let problems = unrecognised(source);
            return Verdict {
                problems,
                summary: None,
            };
        }
    };
    match read {
        Ok((problems, summary)) => Verdict {
            problems,
            summary: Some(summary),
        },
        Err(problems) => Verdict {
            problems,
            summary: None,
        },
    }
}

/// Adds warnings to those of a declaration.
fn with(mut problems: Problems, source: &Source, more: Vec<(String, problem::Fault)>) -> Problems {
    let mut report = problem::Report::new(source);
    for (path, fault) in more {
        let span = centre::place_of(source, &path);
        report.warning(path, span, fault);
    }
    problems.0.extend(report.finish().0);
    problems
}

/// The two kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `centre.toml`
    Centre,
    /// `patchbay.toml`
    Host,
    Unknown,
}

impl Kind {
    /// Judged by the names of the top level, also when they are misspelt.
    fn of(source: &Source) -> Kind {
        let (document, _) = toml::de::DeTable::parse_recoverable(source.text());
        let names: Vec<&str> = document
            .get_ref()
            .keys()
            .map(|name| name.get_ref().as_ref())
            .collect();
        let like = |keys: &[&'static str]| {
            let near = names
                .iter()
                .filter(|name| problem::nearest(name, keys.iter().copied()).is_some());
            near.count()
        };
        let centre = like(&centre::TOP_LEVEL_KEYS);
        let host = like(&crate::config::TOP_LEVEL_KEYS);
        match centre.cmp(&host) {
            std::cmp::Ordering::Greater => Kind::Centre,
            std::cmp::Ordering::Less => Kind::Host,
            std::cmp::Ordering::Equal if centre == 0 => Kind::by_name(source.name()),
            std::cmp::Ordering::Equal => Kind::Unknown,
        }
    }

    /// Without any known name, that of the file decides.
    fn by_name(name: &str) -> Kind {
        match name.rsplit('/').next() {
            Some("centre.toml") => Kind::Centre,
            Some("patchbay.toml") => Kind::Host,
            _ => Kind::Unknown,
        }
    }
}

fn unrecognised(source: &Source) -> Problems {
    let mut report = problem::Report::new(source);
    let fault = problem::Fault::new(
        "is neither a patchbay.toml nor a centre.toml",
        format!(
            "patchbay.toml has {}; centre.toml has {}",
            sections(&crate::config::TOP_LEVEL_KEYS[1..], "[", "]"),
            sections(&centre::TOP_LEVEL_KEYS[..3], "[[", "]]"),
        ),
    );
    report.error("", 0..0, fault);
    report.finish()
}

fn sections(keys: &[&str], open: &str, close: &str) -> String {
    let named: Vec<String> = keys
        .iter()
        .map(|key| format!("{open}{key}{close}"))
        .collect();
    named.join(", ")
}

fn about_centre(centre: &Centre) -> String {
    let registering = centre
        .agents
        .iter()
        .filter(|agent| agent.password.is_some())
        .count();
    let mut text = format!(
        "ok, a centre with {}, {} ({registering} register, {} by URI) and {}",
        plural(centre.queues.len(), "queue"),
        plural(centre.agents.len(), "agent"),
        centre.agents.len() - registering,
        plural(centre.rules.len(), "rule"),
    );
    for queue in &centre.queues {
        let serves = |queues: &Option<Vec<_>>| {
            queues
                .as_ref()
                .is_none_or(|queues| queues.contains(&queue.id))
        };
        let agents = centre
            .agents
            .iter()
            .filter(|agent| serves(&agent.queues))
            .count();
        let leads =
            |rule: &&patchbay_core::centre::Rule| rule.then.queue.as_ref() == Some(&queue.id);
        let rules: Vec<&str> = centre
            .rules
            .iter()
            .filter(leads)
            .map(|rule| rule.id.as_str())
            .collect();
        let rules = if rules.is_empty() {
            "no rule".to_owned()
        } else {
            rules.join(", ")
        };
        let _infallible = write!(
            text,
            "\n  {}: {}; from {rules}",
            queue.id,
            plural(agents, "agent")
        );
    }
    text
}

fn about_host(config: &Config) -> String {
    let list = |items: Vec<String>| match items.is_empty() {
        true => "none".to_owned(),
        false => items.join(", "),
    };
    let listen = config
        .relay
        .listen
        .iter()
        .map(|listen| format!("{} {}", listen.transport.as_str(), listen.address));
    let dialled = config.relay.control.iter().map(ToString::to_string);
    format!(
        "ok\n  data     {}\n  relay    {}; dials control at {}; API {}\n           {}, media \
         ports {}-{}, {}\n  control  relays at {}; API {}; realm \"{}\"; asks {}\n  link     \
         secret in {}",
        config.data.display(),
        list(listen.collect()),
        list(dialled.collect()),
        config.relay.api,
        plural(config.relay.threads, "thread"),
        config.relay.media_ports.start(),
        config.relay.media_ports.end(),
        plural(config.relay.max_sessions, "session"),
        config.control.sip,
        config.control.api,
        config.control.realm,
        list(config.control.relays.clone()),
        config.link.secret_file.display(),
    )
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
