//! A centre in a process of its own, so that its CPU time and memory are its own too.

use crate::config::fields;
use crate::scratch;
use anyhow::{Context, Result, bail};
use clap::Args;
use patchbay_route::transfer::Carrier;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// Media ports below those that the kernel gives to everyone else: room for some 5,000 calls.
const MEDIA_PORTS: &str = "10000-32000";
/// A centre that is not ready by then will not be.
const START_TIME: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);
/// A centre that was asked to stop is ended after this.
const STOP_TIME: Duration = Duration::from_secs(10);

/// The child process.
pub struct ChildCentre {
    /// Where callers send SIP.
    pub sip: SocketAddr,
    process: Child,
    data: PathBuf,
}

/// Options of a centre that is measured.
#[derive(Args, Clone, Debug, Default)]
pub struct CentreCli {
    /// How its control hands a call to its relay: uri, message or tunnel
    #[arg(long, value_name = "FORM", default_value = "uri", value_parser = form, conflicts_with = "target")]
    pub transfer: Carrier,
    /// Another build of Patchbay to measure, in place of this one
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    pub program: Option<PathBuf>,
}

fn form(text: &str) -> Result<Carrier, String> {
    fields::carrier(text).map_err(|fault| fault.remedy)
}

impl CentreCli {
    /// Lines of `[control]`. What is usual is not said: an older build may not know the key.
    fn lines(&self) -> String {
        match self.transfer == Carrier::default() {
            true => String::new(),
            false => format!("transfer = \"{}\"\n", self.transfer.as_str()),
        }
    }
}

/// An agent: its identifier and the URI of its phone.
pub type Agent = (String, String);

impl ChildCentre {
    /// Starts it on free ports of loopback, with one queue and these agents.
    ///
    /// # Errors
    /// Whatever hinders it; what it wrote is in the error.
    pub async fn start(cli: &CentreCli, agents: &[Agent], max_sessions: usize) -> Result<Self> {
        let program = match &cli.program {
            Some(program) => program.clone(),
            None => std::env::current_exe()?,
        };
        let data = scratch::directory("patchbay-bench")?;
        let [control_sip, control_api, relay_api] = scratch::free_ports()?;
        let sip = scratch::free_for_both()?;
        let config = format!(
            "[relay]\nlisten = [\"udp:{sip}\", \"tcp:{sip}\"]\ncontrol = [\"{control_sip}\"]\n\
             api = \"{relay_api}\"\nmax_sessions = {max_sessions}\nmedia_ports = \"{MEDIA_PORTS}\"\n\
             [control]\nsip = \"{control_sip}\"\napi = \"{control_api}\"\n\
             relays = [\"http://{relay_api}\"]\n{}",
            cli.lines()
        );
        let file = data.join("patchbay.toml");
        std::fs::write(&file, config).context("cannot write the centre's configuration")?;
        // It ends with this program, whatever ends that.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .arg(program)
            .args(["up", "--drain", "0", "--config"])
            .arg(&file)
            .arg("--data")
            .arg(&data)
            .env("PATCHBAY_LOG", "warn")
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the centre")?;
        let mut centre = Self { sip, process, data };
        centre.wait_until_ready(control_api).await?;
        centre.apply(control_api, agents).await?;
        Ok(centre)
    }

    /// Its process.
    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    async fn wait_until_ready(&mut self, api: SocketAddr) -> Result<()> {
        let url = format!("http://{api}/readyz");
        let deadline = Instant::now() + START_TIME;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                bail!("the centre stopped at once: {status}");
            }
            match reqwest::get(&url).await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                _ => tokio::time::sleep(LOOK).await,
            }
        }
        bail!("the centre was not ready in {} s", START_TIME.as_secs())
    }

    async fn apply(&self, api: SocketAddr, agents: &[Agent]) -> Result<()> {
        let mut centre = String::from("[[queue]]\nid = \"bench\"\n");
        for (id, uri) in agents {
            // Writing to a String cannot fail.
            let _ = write!(centre, "[[agent]]\nid = \"{id}\"\nuri = \"{uri}\"\n");
        }
        centre.push_str("[[rule]]\nid = \"all\"\nthen = { queue = \"bench\" }\n");
        let token = std::fs::read_to_string(self.data.join("api-token"))?;
        let answer = reqwest::Client::new()
            .put(format!("http://{api}/api/v1/centre"))
            .bearer_auth(token.trim())
            .header("content-type", "application/toml")
            .body(centre)
            .send()
            .await?;
        if !answer.status().is_success() {
            bail!("the centre refuses its agents: {}", answer.text().await?);
        }
        Ok(())
    }

    /// Ends it and removes its data.
    pub async fn stop(mut self) {
        if let Some(pid) = self.process.id().and_then(|pid| i32::try_from(pid).ok())
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            // A process that has ended already needs no signal.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = tokio::time::timeout(STOP_TIME, self.process.wait()).await;
        // What cannot be removed is in the temporary directory anyway.
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        centre: CentreCli,
        #[arg(long)]
        target: Option<SocketAddr>,
    }

    fn lines(options: &[&str]) -> Result<String, String> {
        let words = ["x"].iter().chain(options);
        let read = Line::try_parse_from(words).map_err(|error| error.to_string());
        read.map(|line| line.centre.lines())
    }

    #[test]
    fn each_form_of_transfer_can_be_measured() {
        assert_eq!(lines(&[]), Ok(String::new()));
        assert_eq!(lines(&["--transfer", "uri"]), Ok(String::new()));
        for form in ["message", "tunnel"] {
            let expected = format!("transfer = \"{form}\"\n");
            assert_eq!(lines(&["--transfer", form]), Ok(expected));
        }
        let wrong = lines(&["--transfer", "tunel"]);
        assert!(wrong.is_err_and(|error| error.contains("tunnel")));
        let both = lines(&["--transfer", "tunnel", "--target", "127.0.0.1:5060"]);
        assert!(both.is_err());
    }
}
