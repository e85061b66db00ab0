//! A relay's process: obeys the benchmark until that hangs up.

use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;

use hdrhistogram::Histogram;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::churn;
use super::wire::{self, Answer, Ask, Counts, MAX_CALLS_A_LINE, WireError};
use crate::packets::BenchError;
use crate::packets::vocabulary::{Guests, Phones};
use crate::report::grouped;

/// A relay inside this process.
pub trait Relay: Send + Sync + 'static {
    /// An open call.
    type Call: Send;

    /// Calls of a churn that are open at once.
    const HELD: usize = churn::HELD;

    /// Name and version.
    fn name(&self) -> String;

    /// Its engine.
    fn engine(&self) -> String;

    /// Opens a call between phones, and tells where caller and callee are to send RTP to.
    ///
    /// # Errors
    /// [`BenchError::Relay`] says why not.
    fn open(&self, phones: Phones) -> Result<(Self::Call, [SocketAddr; 2]), BenchError>;

    /// Closes a call.
    fn close(&self, call: Self::Call);

    /// What it counted so far.
    fn losses(&self) -> Option<Counts>;

    /// Heap allocations of its packet threads so far.
    fn allocations(&self) -> Option<u64>;

    /// Its measure of forwarding time, in nanoseconds.
    fn forwarding(&self) -> Option<Histogram<u64>>;

    /// Bytes that it has taken for its flows at devices.
    fn device_memory(&self) -> Option<u64> {
        None
    }
}

/// Obeys until told to quit, or until `input` ends.
///
/// # Errors
/// [`BenchError::Relay`] if the other side says what cannot be understood, or cannot be told.
pub fn serve<R: Relay>(
    relay: R,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<(), BenchError> {
    let talk = |e: WireError| BenchError::Relay(format!("the benchmark's pipe: {e}"));
    let (name, engine) = (relay.name(), relay.engine());
    wire::write(output, &Answer::Ready { name, engine }).map_err(talk)?;
    let mut server = Server {
        relay: Arc::new(relay),
        calls: Vec::new(),
        churning: None,
    };
    while let Some(ask) = wire::read::<Ask>(input).map_err(talk)? {
        let quit = ask == Ask::Quit;
        let answer = server.obey(ask);
        let answer = answer.unwrap_or_else(|e| refusal(&e));
        wire::write(output, &answer).map_err(talk)?;
        if quit {
            break;
        }
    }
    Ok(())
}

/// How a relay tells that it could not.
pub(super) fn refusal(error: &BenchError) -> Answer {
    match error {
        // The benchmark puts its own words before it.
        BenchError::Relay(text) => Answer::Failed(text.clone()),
        BenchError::NoRoom { calls, limit } => Answer::NoRoom {
            calls: *calls,
            limit: limit.clone(),
        },
        other => Answer::Failed(other.to_string()),
    }
}

struct Server<R: Relay> {
    relay: Arc<R>,
    calls: Vec<R::Call>,
    churning: Option<Churning>,
}

impl<R: Relay> Server<R> {
    fn obey(&mut self, ask: Ask) -> Result<Answer, BenchError> {
        Ok(match ask {
            Ask::Open(phones) => Answer::Opened(self.open(&phones)?),
            Ask::Close => {
                let closed = self.calls.len();
                self.calls.drain(..).for_each(|call| self.relay.close(call));
                Answer::Closed(closed)
            }
            Ask::Churn { per_s, phones } => {
                if self.churning.is_some() {
                    return Err(BenchError::Relay("calls come and go already".to_owned()));
                }
                self.churning = Some(Churning::start(self.relay.clone(), per_s, phones)?);
                Answer::Done
            }
            Ask::Guests => Answer::Guests(match &self.churning {
                Some(churning) => churning.guests.take(MAX_CALLS_A_LINE / 2),
                None => Vec::new(),
            }),
            Ask::StopChurn => match self.churning.take() {
                Some(churning) => Answer::Churned(churning.end()?),
                None => Answer::Churned(0),
            },
            Ask::Losses => Answer::Losses(self.relay.losses()),
            Ask::Allocations => Answer::Allocations(self.relay.allocations()),
            Ask::Forwarding => Answer::Forwarding(self.relay.forwarding().map(|times| {
                let values = times.iter_recorded();
                values
                    .map(|at| (at.value_iterated_to(), at.count_since_last_iteration()))
                    .collect()
            })),
            Ask::DeviceMemory => Answer::DeviceMemory(self.relay.device_memory()),
            Ask::Quit => Answer::Done,
        })
    }

    /// Opens calls: all of them, or none.
    fn open(&mut self, phones: &[Phones]) -> Result<Vec<[SocketAddr; 2]>, BenchError> {
        let before = self.calls.len();
        let mut addresses = Vec::with_capacity(phones.len());
        for phones in phones {
            match self.relay.open(*phones) {
                Ok((call, relay)) => {
                    self.calls.push(call);
                    addresses.push(relay);
                }
                Err(e) => {
                    let opened = self.calls.drain(before..);
                    opened.for_each(|call| self.relay.close(call));
                    return Err(e);
                }
            }
        }
        Ok(addresses)
    }
}

/// A thread that opens and closes calls.
struct Churning {
    stop: Arc<AtomicBool>,
    guests: Arc<Guests>,
    thread: JoinHandle<Result<u64, BenchError>>,
}

impl Churning {
    fn start<R: Relay>(relay: Arc<R>, per_s: u32, phones: Vec<Phones>) -> Result<Self, BenchError> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let guests = Arc::new(Guests::default());
        let came = guests.clone();
        let thread = std::thread::Builder::new()
            .name("bench-churn".to_owned())
            .spawn(move || churn::run(&*relay, per_s, &phones, &stopped, &came))
            .map_err(BenchError::system("starting a thread"))?;
        Ok(Self {
            stop,
            guests,
            thread,
        })
    }

    fn end(self) -> Result<u64, BenchError> {
        self.stop.store(true, Relaxed);
        let died = |_| Err(BenchError::Relay("the thread of the churn died".to_owned()));
        self.thread.join().unwrap_or_else(died)
    }
}

/// Raises the number of open files that this process may have as far as that is allowed.
///
/// # Errors
/// [`BenchError::NoRoom`] if so many calls need more.
pub(super) fn allow_files(calls: usize, needed: u64) -> Result<(), BenchError> {
    let limit = getrlimit(Resource::Nofile);
    // The privileged may go beyond the maximum; the others up to it.
    let maximum = limit.maximum.map(|maximum| maximum.max(needed));
    for maximum in [maximum, limit.maximum] {
        let raised = Rlimit {
            current: maximum,
            maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            break;
        }
    }
    match getrlimit(Resource::Nofile).current {
        Some(allowed) if allowed < needed => Err(BenchError::NoRoom {
            calls,
            limit: format!(
                "it needs {} open files and may have {}: raise RLIMIT_NOFILE (ulimit -n)",
                grouped(needed),
                grouped(allowed)
            ),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Mutex;

    /// A relay that counts its open calls and has room for three.
    #[derive(Default)]
    struct Three(Mutex<usize>);

    impl Relay for Three {
        type Call = ();

        fn name(&self) -> String {
            "three".to_owned()
        }

        fn engine(&self) -> String {
            "none".to_owned()
        }

        fn open(&self, phones: Phones) -> Result<((), [SocketAddr; 2]), BenchError> {
            let mut open = self.0.lock().unwrap();
            if *open == 3 {
                return Err(BenchError::Relay("full".to_owned()));
            }
            *open += 1;
            Ok(((), phones))
        }

        fn close(&self, (): ()) {
            *self.0.lock().unwrap() -= 1;
        }

        fn losses(&self) -> Option<Counts> {
            Some(Counts {
                received: *self.0.lock().unwrap() as u64,
                ..Counts::default()
            })
        }

        fn allocations(&self) -> Option<u64> {
            None
        }

        fn forwarding(&self) -> Option<Histogram<u64>> {
            let mut times = Histogram::new(2).unwrap();
            times.record_n(5, 7).unwrap();
            Some(times)
        }
    }

    fn answers(questions: &[Ask]) -> Vec<Answer> {
        let mut input = Vec::new();
        for ask in questions {
            wire::write(&mut input, ask).unwrap();
        }
        let mut output = Vec::new();
        serve(Three::default(), &mut input.as_slice(), &mut output).unwrap();
        let mut output = output.as_slice();
        std::iter::from_fn(|| wire::read(&mut output).unwrap()).collect()
    }

    fn phones() -> Phones {
        ["127.0.0.1:2", "127.0.0.1:4"].map(|phone| phone.parse().unwrap())
    }

    #[test]
    fn questions_are_answered_in_order() {
        let ready = Answer::Ready {
            name: "three".to_owned(),
            engine: "none".to_owned(),
        };
        let counted = |received| {
            Answer::Losses(Some(Counts {
                received,
                ..Counts::default()
            }))
        };
        let asked = [
            Ask::Open(vec![phones(); 2]),
            Ask::Losses,
            Ask::Open(vec![phones(); 2]),
            Ask::Losses,
            Ask::Allocations,
            Ask::Forwarding,
            Ask::StopChurn,
            Ask::Close,
            Ask::Losses,
            Ask::Quit,
            Ask::Losses,
        ];
        let expected = [
            ready,
            Answer::Opened(vec![phones(); 2]),
            counted(2),
            Answer::Failed("full".to_owned()),
            counted(2),
            Answer::Allocations(None),
            Answer::Forwarding(Some(vec![(5, 7)])),
            Answer::Churned(0),
            Answer::Closed(2),
            counted(0),
            Answer::Done,
        ];
        assert_eq!(answers(&asked), expected);
    }

    #[test]
    fn churn_that_fails_is_told_when_it_is_stopped() {
        let churn = |phones| Ask::Churn { per_s: 1, phones };
        let asked = [churn(vec![]), churn(vec![]), Ask::StopChurn, Ask::Losses];
        let answers = answers(&asked);
        assert_eq!(answers[1], Answer::Done);
        assert_eq!(
            answers[2],
            Answer::Failed("calls come and go already".to_owned())
        );
        // Whether it found out before it was stopped is a matter of time.
        assert!(
            matches!(answers[3], Answer::Churned(0) | Answer::Failed(_)),
            "{answers:?}"
        );
    }

    #[test]
    fn senseless_input_ends_it() {
        let mut output = Vec::new();
        let outcome = serve(Three::default(), &mut &b"{}\n"[..], &mut output);
        assert!(matches!(outcome, Err(BenchError::Relay(_))), "{outcome:?}");
    }

    #[test]
    fn a_relay_without_room_is_told_from_one_that_failed() {
        let no_room = BenchError::NoRoom {
            calls: 20_000,
            limit: "too few files".to_owned(),
        };
        let limit = "too few files".to_owned();
        assert_eq!(
            refusal(&no_room),
            Answer::NoRoom {
                calls: 20_000,
                limit
            }
        );
        let failed = BenchError::Relay("broken".to_owned());
        assert_eq!(refusal(&failed), Answer::Failed("broken".to_owned()));
    }

    #[test]
    fn files_are_allowed_or_asked_for() {
        allow_files(1, 1).unwrap();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum, "all that is allowed is taken");
        let outcome = allow_files(7, u64::MAX - 1);
        assert!(
            matches!(&outcome, Err(BenchError::NoRoom { calls: 7, limit }) if limit.contains("RLIMIT_NOFILE")),
            "{outcome:?}"
        );
    }
}
