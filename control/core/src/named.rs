//! Contacts that come with their queue: whoever asks for an agent has decided what they are, such as
//! another centre where they wait already (requirement D12).

use crate::centre::{Centre, Problem, Then, check_then};
use crate::id::{QueueId, RuleId};
use crate::limits::MAX_WAITED_ELSEWHERE;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// What is decided of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The queue that it waits in; one that is not declared refuses it.
    pub queue: QueueId,
    /// Skills that its agent must have, with their lowest level.
    pub skills: BTreeMap<String, u8>,
    /// The higher is served first.
    pub priority: i32,
    /// How long it has waited elsewhere; it has the place of one that has waited here for as long. What
    /// is beyond [`MAX_WAITED_ELSEWHERE`] does not count.
    pub waited: Duration,
    /// Who has decided; stands in the place of a rule and of a call type.
    pub by: RuleId,
}

impl Named {
    /// What of it the declaration does not allow, by the names of its fields.
    pub fn problems(&self, centre: &Centre) -> Vec<Problem> {
        let queues: BTreeSet<&QueueId> = centre.queues.iter().map(|queue| &queue.id).collect();
        let then = Then {
            queue: Some(self.queue.clone()),
            skills: self.skills.clone(),
            priority: self.priority,
            ..Then::default()
        };
        let mut problems = check_then(&then, &queues);
        for problem in &mut problems {
            if let Some(field) = problem.path.strip_prefix("decision.") {
                problem.path = field.to_owned();
            }
        }
        problems
    }

    /// The wait that counts.
    pub(crate) fn waited(&self) -> Duration {
        self.waited.min(MAX_WAITED_ELSEWHERE)
    }
}
