//! The usual cast: a centre, its agent anna, a caller named carla, and the audio of both in the
//! hands of the test.

use std::net::SocketAddr;

use super::media::Media;
use super::message::Sip;
use super::sipp::{Phone, Sipp};
use super::{AGENT, CALL, CALLER, Centre, SOON, Setup, have};

/// A centre that knows anna, before anybody calls.
#[derive(Debug)]
pub struct Stage {
    /// The centre.
    pub centre: Centre,
    /// The caller's audio.
    pub carla: Media,
    /// The agent's audio.
    pub anna: Media,
    /// Where anna's phone is to listen.
    agent_at: SocketAddr,
}

impl Stage {
    /// Starts the centre and declares anna; `None` if sipp is missing, which is then said.
    #[must_use]
    pub fn set() -> Option<Stage> {
        Stage::set_with(Setup::default())
    }

    /// The same with a centre of another kind.
    #[must_use]
    pub fn set_with(setup: Setup) -> Option<Stage> {
        if !have(&["sipp"]) {
            return None;
        }
        let centre = setup.start();
        let agent_at = centre.declare_anna();
        let carla = Media::open(CALLER, &centre.ports);
        let anna = Media::open(AGENT, &centre.ports);
        Some(Stage {
            centre,
            carla,
            anna,
            agent_at,
        })
    }

    /// Where anna's phone is to listen.
    pub fn agent_at(&self) -> SocketAddr {
        self.agent_at
    }

    /// Anna's phone, with her audio.
    #[must_use]
    pub fn agent(&self, scenario: &'static str) -> Sipp {
        Sipp::agent(scenario, self.agent_at, &self.centre).media(&self.anna)
    }

    /// Carla's phone, with her audio.
    #[must_use]
    pub fn caller(&self, scenario: &'static str) -> Sipp {
        Sipp::caller(scenario, CALLER, &self.centre).media(&self.carla)
    }

    /// Starts both phones, the agent's first: then carla calls.
    #[must_use]
    pub fn call(&self, agent: Sipp, caller: Sipp) -> Call<'_> {
        let agent = agent.start();
        Call {
            centre: &self.centre,
            agent,
            caller: caller.start(),
        }
    }
}

/// The phones of a call.
#[derive(Debug)]
pub struct Call<'a> {
    centre: &'a Centre,
    /// Anna's phone.
    pub agent: Phone,
    /// Carla's phone.
    pub caller: Phone,
}

impl Call<'_> {
    /// Waits for the INVITE that anna's phone got first.
    pub fn offer(&self) -> Sip {
        self.agent
            .receives("an INVITE", SOON, |sip| sip.is_request("INVITE"))
    }

    /// Waits for where carla is to send to, as the answer to her INVITE says.
    pub fn to_anna(&self) -> SocketAddr {
        let answer = self.caller.answered();
        answer.audio().expect("an answer with audio")
    }

    /// Waits for where anna is to send to, as the INVITE says.
    pub fn to_carla(&self) -> SocketAddr {
        self.offer().audio().expect("an offer with audio")
    }

    /// Waits until both phones have ended as their scenarios say, and nothing of the call is left.
    pub fn ends(self) {
        self.caller.succeeds(CALL);
        self.agent.succeeds(SOON);
        self.centre.wait_empty();
    }
}
