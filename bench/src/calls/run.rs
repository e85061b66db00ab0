//! One run.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{AudioFigures, CallReport, CallsArgs, CallsError, Progress, Usage, Watch};
use crate::phones::{
    CallRef, CallSpec, Event, Exchange, ExchangeConfig, News, Outcome, PhoneEvent, PhoneId,
    PhoneSpec,
};
use crate::report::Quantiles;

/// Registration of all agents takes this long at most.
const REGISTRATION: Duration = Duration::from_secs(10);
/// After the last call its audio reports may take this long.
const SETTLING: Duration = Duration::from_secs(5);
/// How often calls are placed and progress is told.
const TICK: Duration = Duration::from_millis(2);
/// Lines of a caller's phone: no limit of its own.
const CALLER_LINES: usize = usize::MAX;

/// Places the calls and waits for the end of all of them.
///
/// # Errors
/// [`CallsError`]: only if nothing could be measured. What happens to calls is in the report.
pub async fn run(
    args: &CallsArgs,
    mut progress: impl FnMut(Progress),
) -> Result<CallReport, CallsError> {
    if args.to.is_empty() || args.callers == 0 || args.calls_per_s <= 0.0 || args.concurrent == 0 {
        let what = "a run needs an address to call, a caller, a rate and room for one call";
        return Err(CallsError::Arguments(what));
    }
    let config = ExchangeConfig {
        seed: args.seed,
        audio: args.media,
        ..Default::default()
    };
    let (exchange, mut events) = Exchange::start(config)?;
    register_agents(args, &exchange, &mut events).await?;
    let callers = add_callers(args, &exchange)?;
    let mut run = Run::new(args, exchange, callers);
    let before = run.usage();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while run.goes_on() {
        tokio::select! {
            biased;
            event = events.recv() => match event {
                Some(event) => run.note(event),
                None => break,
            },
            _ = tick.tick() => {
                run.place()?;
                progress(run.progress);
            }
        }
    }
    run.settle().await?;
    progress(run.progress);
    run.report(before)
}

async fn register_agents(
    args: &CallsArgs,
    exchange: &Exchange,
    events: &mut Receiver<Event>,
) -> Result<(), CallsError> {
    let mut waiting = HashMap::new();
    for agent in &args.agents {
        let (phone, _) = exchange.add(agent.phone.clone())?;
        if agent.register {
            waiting.insert(phone, agent.phone.user.clone());
            exchange.register(phone)?;
        }
    }
    let answered = async {
        while !waiting.is_empty() {
            let Some(event) = events.recv().await else {
                return Err(CallsError::Silent(args.target));
            };
            match event.news {
                News::Phone(PhoneEvent::Registered { .. }) => {
                    waiting.remove(&event.phone);
                }
                News::Phone(PhoneEvent::RegisterFailed {
                    status: Some(status),
                }) => {
                    let agent = waiting.remove(&event.phone).unwrap_or_default();
                    return Err(CallsError::Refused {
                        agent,
                        target: args.target,
                        status,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    };
    timeout(REGISTRATION, answered)
        .await
        .map_err(|_| CallsError::Silent(args.target))?
}

fn add_callers(args: &CallsArgs, exchange: &Exchange) -> Result<Vec<PhoneId>, CallsError> {
    let spec = |number| PhoneSpec {
        transport: args.transport,
        lines: CALLER_LINES,
        ..PhoneSpec::new(format!("caller{number}"), args.domain.clone(), args.target)
    };
    let phones = (0..args.callers).map(|number| Ok(exchange.add(spec(number))?.0));
    phones.collect()
}

struct Run<'a> {
    args: &'a CallsArgs,
    exchange: Exchange,
    callers: Vec<PhoneId>,
    /// Our calls under way; true once answered.
    calls: HashMap<CallRef, bool>,
    progress: Progress,
    refused: BTreeMap<u16, u64>,
    failures: BTreeMap<String, u64>,
    cancelled: u64,
    setup: Histogram<u64>,
    start: Instant,
    last_placed: Instant,
    peak: u64,
    held_back: u64,
    peak_usage: Option<Usage>,
}

impl<'a> Run<'a> {
    fn new(args: &'a CallsArgs, exchange: Exchange, callers: Vec<PhoneId>) -> Self {
        Self {
            args,
            exchange,
            callers,
            calls: HashMap::new(),
            progress: Progress::default(),
            refused: BTreeMap::new(),
            failures: BTreeMap::new(),
            cancelled: 0,
            setup: crate::phones::nanoseconds(),
            start: Instant::now(),
            last_placed: Instant::now(),
            peak: 0,
            held_back: 0,
            peak_usage: None,
        }
    }

    fn usage(&self) -> Option<Usage> {
        self.args
            .watch
            .and_then(|process| Watch::new(process).usage().ok())
    }

    fn goes_on(&self) -> bool {
        self.progress.offered < self.args.calls_total || !self.calls.is_empty()
    }

    /// Places the calls that are due by now.
    fn place(&mut self) -> Result<(), CallsError> {
        let due = (self.start.elapsed().as_secs_f64() * self.args.calls_per_s) as u64 + 1;
        let due = due.min(self.args.calls_total);
        while self.progress.offered < due {
            if self.calls.len() >= self.args.concurrent {
                self.held_back += 1;
                return Ok(());
            }
            self.place_one()?;
        }
        Ok(())
    }

    fn place_one(&mut self) -> Result<(), CallsError> {
        let number = self.progress.offered as usize;
        let to = self.args.to.get(number % self.args.to.len());
        let caller = self.callers.get(number % self.callers.len());
        let (Some(to), Some(caller)) = (to, caller) else {
            return Err(CallsError::Arguments("nobody to call"));
        };
        let mut spec = CallSpec::new(to.clone(), self.args.hold);
        spec.from_user = Some(format!("caller{number}"));
        spec.patience = Some(self.args.patience);
        let call = self.exchange.call(*caller, spec)?;
        self.calls.insert(call, false);
        self.progress.offered += 1;
        self.last_placed = Instant::now();
        let now = self.calls.len() as u64;
        if now > self.peak {
            self.peak = now;
            // Read now and then on the way up; /proc is slow.
            if self.args.watch.is_some() && (now.is_multiple_of(64) || now < 16) {
                self.peak_usage = self.usage();
            }
        }
        Ok(())
    }

    fn note(&mut self, event: Event) {
        let News::Phone(event) = event.news else {
            return;
        };
        match event {
            PhoneEvent::Answered { call, setup } => {
                if let Some(answered) = self.calls.get_mut(&call) {
                    *answered = true;
                    self.progress.answered += 1;
                    let nanos = u64::try_from(setup.as_nanos()).unwrap_or(u64::MAX);
                    self.setup.saturating_record(nanos);
                }
            }
            PhoneEvent::Ended { call, outcome } => {
                if let Some(answered) = self.calls.remove(&call) {
                    self.progress.over += 1;
                    self.count(answered, &outcome);
                }
            }
            _ => {}
        }
    }

    fn count(&mut self, answered: bool, outcome: &Outcome) {
        let failure = match outcome {
            Outcome::Completed { by_us: true } => return,
            Outcome::Completed { by_us: false } if answered => "hung-up-early".to_owned(),
            Outcome::Completed { by_us: false } => "hung-up-unanswered".to_owned(),
            Outcome::Refused { status, .. } => {
                *self.refused.entry(*status).or_default() += 1;
                return;
            }
            Outcome::Cancelled => {
                self.cancelled += 1;
                return;
            }
            Outcome::Failed(failure) => failure.to_string(),
        };
        self.progress.failed += 1;
        *self.failures.entry(failure).or_default() += 1;
    }

    /// Waits until the agents' sides of the last calls are closed too.
    async fn settle(&mut self) -> Result<(), CallsError> {
        let deadline = Instant::now() + SETTLING;
        while self.args.media && self.exchange.audio()?.open_legs > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    fn report(self, before: Option<Usage>) -> Result<CallReport, CallsError> {
        let after = self.usage();
        let offered = self.progress.offered;
        let span = self
            .last_placed
            .saturating_duration_since(self.start)
            .as_secs_f64();
        let cpu = before.zip(after).map(|(before, after)| {
            (after.cpu.saturating_sub(before.cpu)).as_secs_f64() * 1e6 / offered.max(1) as f64
        });
        let bytes = before.zip(self.peak_usage).map(|(before, peak)| {
            peak.resident.saturating_sub(before.resident) as f64 / self.peak.max(1) as f64
        });
        let audio = self.exchange.audio()?;
        Ok(CallReport {
            offered,
            answered: self.progress.answered,
            refused: self.refused,
            cancelled: self.cancelled,
            failed: self.progress.failed,
            failures: self.failures,
            // The first call is at the start, so there is one gap fewer than calls.
            calls_per_s: if span > 0.0 {
                (offered.saturating_sub(1)) as f64 / span
            } else {
                0.0
            },
            peak: self.peak,
            held_back: self.held_back,
            setup_ms: Quantiles::millis(&self.setup),
            audio: self.args.media.then(|| AudioFigures::new(&audio)),
            cpu_us_per_call: cpu,
            bytes_per_call: bytes,
            generator: self.exchange.counters()?,
        })
    }
}
