//! The run: callers come in, and what happens is shown while it happens.

use anyhow::{Context, Result};
use patchbay_bench::calls::AudioFigures;
use patchbay_bench::phones::{
    CallRef, Event, Exchange, ExchangeCounters, News, Outcome, PhoneEvent,
};
use patchbay_bench::report::{Durations, Paint, Screen};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep_until;

use super::DemoArgs;
use super::cast::Cast;
use super::centre::DemoCentre;
use super::outcome::DemoResult;
use super::story::{Story, Told};
use super::stream::Events;

/// Share of the agents' time that callers ask for, in percent: above it they wait.
const LOAD_PERCENT: u32 = 120;
/// Between two calls of the light traffic of `--stay`.
const LIGHT_GAP: Duration = Duration::from_secs(3);
/// How often it is looked whether all audio is settled.
const GLANCE: Duration = Duration::from_millis(50);
/// After the last call the centre's last events may take this long.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Nothing at all happens for this long, and a call's length: something hangs.
const PATIENCE: Duration = Duration::from_secs(45);

/// What is counted.
#[derive(Default)]
pub struct Tally {
    pub offered: u64,
    pub answered: u64,
    pub completed: u64,
    pub refused: BTreeMap<u16, u64>,
    pub failures: BTreeMap<String, u64>,
    pub setup: Durations,
    pub setup_delayed: Durations,
    pub unfinished: u64,
}

/// The run.
pub struct Show<'a> {
    exchange: &'a Exchange,
    cast: &'a Cast,
    calls: u64,
    talk: Duration,
    gap: Duration,
    screen: Screen,
    story: Story,
    under_way: HashMap<CallRef, u64>,
    tally: Tally,
    /// When the last call ended.
    last_ended: Option<Instant>,
}

/// What woke the run.
enum Turn {
    Phone(Event),
    Centre(Box<patchbay_core::Event>),
    Clock,
}

impl<'a> Show<'a> {
    pub fn new(args: &DemoArgs, exchange: &'a Exchange, cast: &'a Cast, paint: Paint) -> Self {
        let talk = Duration::from_secs(args.seconds);
        let agents = u32::try_from(cast.answering().max(1)).unwrap_or(1);
        Self {
            exchange,
            cast,
            calls: args.calls,
            talk,
            gap: talk * 100 / (agents * LOAD_PERCENT),
            screen: Screen::new(args.calls),
            story: Story::new(paint),
            under_way: HashMap::new(),
            tally: Tally::default(),
            last_ended: None,
        }
    }

    /// Places all calls and waits for the end of the last one.
    ///
    /// # Errors
    /// The phones or the event stream broke.
    pub async fn play(&mut self, phones: &mut Receiver<Event>, events: &mut Events) -> Result<()> {
        let mut due = Instant::now();
        let mut last_news = Instant::now();
        while !self.is_over()? {
            match turn(phones, events, self.next_look(due)).await? {
                Turn::Phone(event) => self.phone(event),
                Turn::Centre(event) => self.centre(&event),
                Turn::Clock if last_news.elapsed() > PATIENCE + self.talk => {
                    self.tally.unfinished = self.under_way.len() as u64;
                    break;
                }
                Turn::Clock => {
                    if self.tally.offered < self.calls && Instant::now() >= due {
                        self.place()?;
                        due += self.gap;
                        last_news = Instant::now();
                    }
                    continue;
                }
            }
            last_news = Instant::now();
            self.show_progress();
        }
        self.screen.finish();
        Ok(())
    }

    /// Light traffic, until something breaks.
    ///
    /// # Errors
    /// The phones or the event stream broke.
    pub async fn go_on(&mut self, phones: &mut Receiver<Event>, events: &mut Events) -> Result<()> {
        let mut due = Instant::now();
        loop {
            match turn(phones, events, due).await? {
                Turn::Phone(event) => self.phone(event),
                Turn::Centre(event) => self.centre(&event),
                Turn::Clock => {
                    self.place()?;
                    due += LIGHT_GAP.max(self.gap);
                }
            }
        }
    }

    fn next_look(&self, due: Instant) -> Instant {
        let glance = Instant::now() + GLANCE;
        if self.tally.offered < self.calls {
            due.min(glance)
        } else {
            glance
        }
    }

    /// All calls are placed and over, the audio of both sides is compared, and the centre has told
    /// the end of every call; for that it gets a moment, because its events come another way.
    fn is_over(&mut self) -> Result<bool> {
        if self.tally.offered < self.calls || !self.under_way.is_empty() {
            return Ok(false);
        }
        let since = self.last_ended.get_or_insert_with(Instant::now).elapsed();
        let told = self.story.is_told() || since > LAST_WORDS;
        Ok(told && self.exchange.audio()?.open_legs == 0)
    }

    fn place(&mut self) -> Result<()> {
        let number = self.tally.offered + 1;
        let call = self
            .cast
            .call(number, self.talk)
            .context("there is no caller")?;
        let call = self.exchange.call(call.0, call.1)?;
        self.under_way.insert(call, number);
        self.tally.offered = number;
        Ok(())
    }

    fn centre(&mut self, event: &patchbay_core::Event) {
        let told = self.story.hear(event);
        self.tell(told);
    }

    fn tell(&mut self, told: Option<Told>) {
        let Some(told) = told else { return };
        match told.setup {
            Some((setup, true)) => self.tally.setup.record(setup),
            Some((setup, false)) => self.tally.setup_delayed.record(setup),
            None => {}
        }
        self.screen.line(&told.line);
    }

    fn phone(&mut self, event: Event) {
        let News::Phone(event) = event.news else {
            return;
        };
        match event {
            PhoneEvent::Answered { call, setup } => {
                if let Some(number) = self.under_way.get(&call) {
                    self.tally.answered += 1;
                    let told = self.story.answered(&format!("caller-{number}"), setup);
                    self.tell(told);
                }
            }
            PhoneEvent::Ended { call, outcome } if self.under_way.remove(&call).is_some() => {
                self.ended(&outcome);
            }
            _ => {}
        }
    }

    fn ended(&mut self, outcome: &Outcome) {
        let failure = match outcome {
            Outcome::Completed { by_us: true } => {
                self.tally.completed += 1;
                return;
            }
            Outcome::Refused { status, .. } => {
                *self.tally.refused.entry(*status).or_default() += 1;
                return;
            }
            Outcome::Completed { by_us: false } => "ended before its time".to_owned(),
            Outcome::Cancelled => "cancelled".to_owned(),
            Outcome::Failed(failure) => failure.to_string(),
        };
        *self.tally.failures.entry(failure).or_default() += 1;
    }

    fn show_progress(&self) {
        let over = self.tally.offered - self.under_way.len() as u64;
        let words = format!("{} under way", self.under_way.len());
        self.screen.progress(over, words);
    }

    /// What the run found.
    ///
    /// # Errors
    /// The phones have ended.
    pub fn result(&self, centre: &DemoCentre) -> Result<DemoResult> {
        let audio = AudioFigures::new(&self.exchange.audio()?);
        let generator: ExchangeCounters = self.exchange.counters()?;
        Ok(DemoResult::new(
            &self.tally,
            audio,
            generator,
            centre.relayed(),
        ))
    }
}

/// Waits for the next thing to happen, until `due`.
async fn turn(phones: &mut Receiver<Event>, events: &mut Events, due: Instant) -> Result<Turn> {
    tokio::select! {
        biased;
        event = phones.recv() => Ok(Turn::Phone(event.context("the phones have ended")?)),
        event = events.next() => Ok(Turn::Centre(Box::new(event?))),
        () = sleep_until(due.into()) => Ok(Turn::Clock),
    }
}
