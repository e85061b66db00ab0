//! Renewed certificates are taken without a restart.

use crate::Endpoint;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

/// How often the files are looked at; changed ones are read at the second look that finds them so.
pub const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Reads the files again when they have changed, or at SIGHUP, for ever.
pub async fn keep_fresh(endpoint: Arc<Endpoint>) {
    // Without the signal the look at the files is left.
    let mut hangup = signal(SignalKind::hangup()).ok();
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut taken = endpoint.files().stamp();
    let mut seen = taken.clone();
    loop {
        let told = async {
            match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let asked = tokio::select! {
            _ = told => true,
            _ = look.tick() => false,
        };
        let now = endpoint.files().stamp();
        // A certificate and its key are written one after the other: once both rest, they fit.
        let rests = now == seen;
        seen = now;
        if asked || (rests && seen != taken) {
            taken = seen.clone();
            let endpoint = Arc::clone(&endpoint);
            // A failed task is a failed reading: the next change is another chance.
            let _ = tokio::task::spawn_blocking(move || read_again(&endpoint)).await;
        }
    }
}

fn read_again(endpoint: &Endpoint) {
    let file = endpoint.files().certificate.display();
    match endpoint.reload(unix_now()) {
        Ok(()) => tracing::info!("took the certificate in {file}"),
        Err(error) => tracing::error!(
            "the changed certificate is refused, the old one stays: {error}; {}",
            error.remedy()
        ),
    }
}

/// Seconds of Unix time.
pub(crate) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}
