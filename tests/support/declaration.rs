//! A `centre.toml` with one queue, `support`, that everybody who calls `support` waits in.

use std::fmt;
use std::net::SocketAddr;

/// What a test declares.
#[derive(Clone, Debug, Default)]
pub struct Declaration {
    queue: Vec<(String, String)>,
    agents: Vec<String>,
    rules: String,
    wanted_skills: String,
}

impl Declaration {
    /// The queue alone. Nobody waits after a call, and nobody waits long for a failed agent.
    pub fn new() -> Declaration {
        Declaration::default()
    }

    /// A key of the queue.
    #[must_use]
    pub fn queue(mut self, key: &str, value: impl ToString) -> Declaration {
        self.queue.push((key.to_owned(), value.to_string()));
        self
    }

    /// An agent with a phone at a fixed address, over UDP.
    #[must_use]
    pub fn at(self, id: &str, address: SocketAddr) -> Declaration {
        self.agent(id, &format!("uri = \"sip:{id}@{address}\""))
    }

    /// An agent with a phone at a fixed address, over TCP.
    #[must_use]
    pub fn at_tcp(self, id: &str, address: SocketAddr) -> Declaration {
        self.agent(id, &format!("uri = \"sip:{id}@{address};transport=tcp\""))
    }

    /// An agent whose phone registers.
    #[must_use]
    pub fn registers(self, id: &str, password: &str) -> Declaration {
        self.agent(id, &format!("password = \"{password}\""))
    }

    /// An agent with any keys.
    #[must_use]
    pub fn agent(mut self, id: &str, keys: &str) -> Declaration {
        self.agents
            .push(format!("[[agent]]\nid = \"{id}\"\n{keys}\n"));
        self
    }

    /// Skills with their lowest levels that a call to `support` asks for: `sales = 1`.
    #[must_use]
    pub fn wants(mut self, skills: &str) -> Declaration {
        self.wanted_skills = skills.to_owned();
        self
    }

    /// Rules that are looked at before the common one.
    #[must_use]
    pub fn rules(mut self, rules: &str) -> Declaration {
        self.rules.push_str(rules);
        self
    }
}

impl fmt::Display for Declaration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[offers]\nback_off_seconds = 1\n")?;
        writeln!(f, "[[queue]]\nid = \"support\"")?;
        for (key, value) in &self.queue {
            writeln!(f, "{key} = {value}")?;
        }
        for agent in &self.agents {
            writeln!(f, "\n{agent}")?;
        }
        writeln!(f, "{}", self.rules)?;
        writeln!(f, "[[rule]]\nid = \"support\"")?;
        writeln!(f, "when = {{ to = \"support@*\" }}")?;
        writeln!(
            f,
            "then = {{ queue = \"support\", skills = {{ {} }} }}",
            self.wanted_skills
        )?;
        writeln!(f, "\n[[rule]]\nid = \"others\"\nthen = {{ refuse = 404 }}")
    }
}
