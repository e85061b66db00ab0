//! The API's event stream, read as any client would read it: server-sent events over HTTP.

use anyhow::{Context, Result, bail};
use patchbay_core::Event;
use reqwest::Response;

use super::centre::DemoCentre;

/// Longest message that is kept; a longer one ends the stream.
const MAX_MESSAGE: usize = 1 << 20;

/// An open stream.
pub struct Events {
    response: Response,
    lines: Lines,
}

/// Opens the stream: everything from the beginning.
///
/// # Errors
/// The API does not answer or refuses.
pub async fn open(client: &reqwest::Client, centre: &DemoCentre) -> Result<Events> {
    let url = format!("{}/api/v1/events?after=0", centre.api_url);
    let request = client.get(url).bearer_auth(&centre.token);
    let response = request.send().await.context("the API does not answer")?;
    if !response.status().is_success() {
        bail!("the API refuses the event stream: {}", response.status());
    }
    Ok(Events {
        response,
        lines: Lines::default(),
    })
}

impl Events {
    /// The next event. May be dropped and called again without losing one.
    ///
    /// # Errors
    /// The stream has ended or carries what is no event.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            while let Some(line) = self.lines.next() {
                // `id`, comments and blank lines are not needed here.
                if let Some(data) = line.strip_prefix("data:") {
                    let event = serde_json::from_str(data.trim());
                    return event.with_context(|| format!("not an event: {data}"));
                }
            }
            let chunk = self
                .response
                .chunk()
                .await
                .context("the event stream broke")?;
            self.lines.push(&chunk.context("the event stream ended")?)?;
        }
    }
}

/// Cuts bytes into lines.
#[derive(Default)]
struct Lines {
    waiting: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        if self.waiting.len() + bytes.len() > MAX_MESSAGE {
            bail!("an event of more than {MAX_MESSAGE} bytes");
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    fn next(&mut self) -> Option<String> {
        let end = self.waiting.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.waiting.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut lines = Lines::default();
        lines.push(b"id: 1\nda").unwrap();
        assert_eq!(lines.next().as_deref(), Some("id: 1"));
        assert_eq!(lines.next(), None);
        lines.push(b"ta: {}\r\n\n").unwrap();
        assert_eq!(lines.next().as_deref(), Some("data: {}"));
        assert_eq!(lines.next().as_deref(), Some(""));
        assert!(lines.push(&vec![b'x'; MAX_MESSAGE + 1]).is_err());
    }
}
