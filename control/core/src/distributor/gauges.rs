//! How queues stand, for those who watch them.

use super::Distributor;
use crate::event::What;

impl Distributor {
    /// The gauge of each queue, in the order of the declaration. It costs a look at every agent's queues
    /// and at everybody who waits.
    pub fn gauges(&self) -> Vec<What> {
        let mut available = vec![0; self.queues.len()];
        for agent in self.agents.values().filter(|one| one.keys.is_some()) {
            for queue in &agent.queues {
                if let Some(count) = available.get_mut(*queue) {
                    *count += 1;
                }
            }
        }
        let queues = self.queues.iter().enumerate().zip(available);
        let gauges = queues.map(|((at, queue), available)| {
            let waiting = queue.places.iter();
            let came = waiting.filter_map(|place| self.contacts.get(&place.contact));
            What::QueueGauge {
                queue: queue.declared.id.clone(),
                waiting: queue.places.len(),
                oldest_unix_ms: came.map(|contact| contact.arrived_unix_ms).min(),
                available,
                staffed: queue.staffed,
                connected: queue.connected,
                expected_s: self
                    .expected_next(at)
                    .map(|wait| wait.as_millis().div_ceil(1_000))
                    .and_then(|wait| u64::try_from(wait).ok()),
            }
        });
        gauges.collect()
    }
}
