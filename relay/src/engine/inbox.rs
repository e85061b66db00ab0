//! How a packet thread reads its mailbox: in order, and little at a time, so that a burst of new
//! or ending calls does not keep packets waiting.

use patchbay_route::limits::{STEERED_WORK_PER_WAKE_UP, WORK_PER_WAKE_UP};
use patchbay_route::pair::PairId;

use super::mailbox::{Command, Mailbox};

/// Closing a pair takes one unit more for each so many pairs: with 4,400 pairs on a thread it
/// took 32 us, with few 14 us, measured with pairs that ended in any order.
const PAIRS_PER_UNIT: u64 = 4096;

/// Something for the thread to do.
#[derive(Debug)]
pub enum Work {
    /// Carry out a command.
    Command(Command),
    /// Close a row.
    Close(PairId),
}

impl Work {
    /// What it takes of a bound thread's budget, with that many pairs on it. Opening and
    /// closing a row is about as much work for the kernel; but to end a receive it walks one of
    /// 256 lists of all receives, so that closing takes longer the more there are. Changing a
    /// remote is far less, but counts as well.
    fn units(&self, pairs: u64) -> u32 {
        match self {
            Work::Close(_) => 2 + u32::try_from(pairs / PAIRS_PER_UNIT).unwrap_or(u32::MAX - 2),
            Work::Command(Command::Open { .. }) => 2,
            Work::Command(_) => 1,
        }
    }
}

/// What work costs a packet thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Costs {
    /// Sockets are made and closed.
    Sockets,
    /// Memory is written.
    Memory,
}

/// The reading end of a mailbox.
#[derive(Debug)]
pub struct Inbox {
    costs: Costs,
    /// The next row to be closed, once the commands that were sent before it are done.
    close: Option<PairId>,
    spent: u32,
}

impl Inbox {
    /// A reader of a thread whose work costs that.
    pub fn new(costs: Costs) -> Inbox {
        Inbox {
            costs,
            close: None,
            spent: 0,
        }
    }

    /// Units of a wake-up.
    fn budget(&self) -> u32 {
        match self.costs {
            Costs::Sockets => WORK_PER_WAKE_UP,
            Costs::Memory => STEERED_WORK_PER_WAKE_UP,
        }
    }

    /// Begins a wake-up: the bell has been heard, and there is a budget again.
    pub fn begin(&mut self, mailbox: &Mailbox) {
        mailbox.silence();
        self.spent = 0;
    }

    /// The next thing to do. Nothing, when nothing is left or the budget is spent; in the latter
    /// case the bell rings again, so that the thread comes back after its packets.
    pub fn next(&mut self, mailbox: &Mailbox) -> Option<Work> {
        if self.spent >= self.budget() {
            if self.close.is_some() || !mailbox.is_empty() {
                mailbox.ring_bell();
            }
            return None;
        }
        // A row's commands were sent before its closing: whoever has seen the closing first
        // finds all of them in the queue.
        self.close = self.close.or_else(|| mailbox.next_close());
        let work = match mailbox.next_command() {
            Some(command) => Work::Command(command),
            None => Work::Close(self.close.take()?),
        };
        let units = match self.costs {
            Costs::Sockets => work.units(mailbox.cells.pairs.get()),
            Costs::Memory => 1,
        };
        self.spent = self.spent.saturating_add(units);
        Some(work)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::super::drill::Drill;
    use super::super::mailbox::Bell;
    use super::*;
    use rustix::event::{PollFd, PollFlags, poll};

    fn rings(mailbox: &Mailbox) -> bool {
        let bell = mailbox.bell();
        let mut fds = [PollFd::new(&bell, PollFlags::IN)];
        poll(&mut fds, Some(&Default::default())).unwrap() == 1
    }

    fn command(mailbox: &Mailbox) {
        mailbox.send(Command::Drill(Drill::Allocate)).unwrap();
    }

    fn units(work: &[Work]) -> u32 {
        work.iter().map(|work| work.units(0)).sum()
    }

    /// What is done in one wake-up.
    fn wake(inbox: &mut Inbox, mailbox: &Mailbox) -> Vec<Work> {
        inbox.begin(mailbox);
        std::iter::from_fn(|| inbox.next(mailbox)).collect()
    }

    #[test]
    fn the_bell_rings_until_the_queues_are_empty_and_no_wake_up_does_too_much() {
        let rows = 100;
        let mailbox = Mailbox::new(rows, Bell::Prompt).unwrap();
        let mut inbox = Inbox::new(Costs::Sockets);
        assert!(!rings(&mailbox));
        for row in 0..rows as u32 {
            command(&mailbox);
            mailbox.close(PairId::new(0, 0, row));
        }
        let mut done = Vec::new();
        let mut wake_ups = 0;
        while rings(&mailbox) {
            let work = wake(&mut inbox, &mailbox);
            assert!((1..=WORK_PER_WAKE_UP + 1).contains(&units(&work)));
            done.extend(work);
            wake_ups += 1;
        }
        assert_eq!(done.len(), 2 * rows);
        assert!(wake_ups >= units(&done) / (WORK_PER_WAKE_UP + 1));
        assert!(mailbox.is_empty());
        let closed = done.iter().filter_map(|work| match work {
            Work::Close(id) => Some(id.row()),
            Work::Command(_) => None,
        });
        assert!(closed.eq(0..rows as u32));
    }

    #[test]
    fn a_thread_with_many_pairs_closes_fewer_at_a_time() {
        let mailbox = Mailbox::new(100, Bell::Prompt).unwrap();
        let mut inbox = Inbox::new(Costs::Sockets);
        for row in 0..100 {
            mailbox.close(PairId::new(0, 0, row));
        }
        let few = wake(&mut inbox, &mailbox).len();
        mailbox.cells.pairs.set(20_000);
        let many = wake(&mut inbox, &mailbox).len();
        mailbox.cells.pairs.set(u64::MAX);
        let one = wake(&mut inbox, &mailbox).len();
        assert!(few > many && many > one, "{few} {many} {one}");
        assert_eq!(one, 1, "there is always some progress");
    }

    #[test]
    fn commands_come_before_the_closing_that_was_asked_for_after_them() {
        let mailbox = Mailbox::new(4, Bell::Prompt).unwrap();
        let mut inbox = Inbox::new(Costs::Sockets);
        let row = PairId::new(0, 0, 1);
        for _ in 0..WORK_PER_WAKE_UP {
            command(&mailbox);
        }
        mailbox.close(row);
        let first = wake(&mut inbox, &mailbox);
        assert!(first.iter().all(|work| matches!(work, Work::Command(_))));
        assert!(rings(&mailbox), "the closing waits");
        command(&mailbox);
        let second = wake(&mut inbox, &mailbox);
        assert!(matches!(second[..], [Work::Command(_), Work::Close(id)] if id == row));
        assert!(!rings(&mailbox));
        assert!(wake(&mut inbox, &mailbox).is_empty());
    }

    #[test]
    fn a_patient_bell_rings_when_much_waits_or_time_is_up() {
        let mailbox = Mailbox::new(4, Bell::Patient).unwrap();
        let mut inbox = Inbox::new(Costs::Memory);
        command(&mailbox);
        assert!(!rings(&mailbox));
        mailbox.hurry();
        assert!(rings(&mailbox));
        assert_eq!(wake(&mut inbox, &mailbox).len(), 1);
        mailbox.hurry();
        assert!(!rings(&mailbox), "nothing waits");
        mailbox.close(PairId::new(0, 0, 1));
        let mut sent = 1;
        while !rings(&mailbox) {
            command(&mailbox);
            sent += 1;
        }
        assert!(sent < 100, "{sent}");
        assert_eq!(wake(&mut inbox, &mailbox).len(), sent);
    }

    #[test]
    fn a_bell_that_rings_already_is_not_rung_again() {
        let mailbox = Mailbox::new(4, Bell::Prompt).unwrap();
        command(&mailbox);
        command(&mailbox);
        let mut count = [0; 8];
        rustix::io::read(mailbox.bell(), &mut count).unwrap();
        assert_eq!(u64::from_ne_bytes(count), 1);
        let mut inbox = Inbox::new(Costs::Sockets);
        assert_eq!(wake(&mut inbox, &mailbox).len(), 2);
        command(&mailbox);
        assert!(rings(&mailbox), "heard, it can be rung again");
    }
}
