//! Forwards to the capabilities: who may what is decided there.

use riposte_capability::Refusal;

use crate::bindings::{
    accounts, exec, firewall, isolation, lines, mail, processes, quarantine, routes, secret, services, state,
    types,
};
use crate::state::State;

impl State {
    /// The answer of a capability, on its way to the component: what was denied
    /// becomes an event.
    pub(crate) fn hear<T>(
        &self,
        call: &str,
        target: &str,
        answer: Result<T, Refusal>,
    ) -> Result<T, types::Error> {
        Ok(self.capabilities.hear(&self.session, call, target, answer)?)
    }
}

impl firewall::Host for State {
    async fn block(&mut self, address: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.firewall().block(&self.session, &address).await;
        self.hear("firewall.block", &address, answer)
    }
    async fn unblock(&mut self, address: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.firewall().unblock(&self.session, &address).await;
        self.hear("firewall.unblock", &address, answer)
    }
    async fn blocked(&mut self, address: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.firewall().blocked(&self.session, &address).await;
        self.hear("firewall.blocked", &address, answer)
    }
}

impl routes::Host for State {
    async fn blackhole(&mut self, address: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.routes().blackhole(&self.session, &address).await;
        self.hear("routes.blackhole", &address, answer)
    }
    async fn restore(&mut self, address: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.routes().restore(&self.session, &address).await;
        self.hear("routes.restore", &address, answer)
    }
    async fn blackholed(&mut self, address: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.routes().blackholed(&self.session, &address).await;
        self.hear("routes.blackholed", &address, answer)
    }
}

impl accounts::Host for State {
    async fn lock(&mut self, user: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.accounts().lock(&self.session, &user).await;
        self.hear("accounts.lock", &user, answer)
    }
    async fn unlock(&mut self, user: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.accounts().unlock(&self.session, &user).await;
        self.hear("accounts.unlock", &user, answer)
    }
    async fn locked(&mut self, user: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.accounts().locked(&self.session, &user).await;
        self.hear("accounts.locked", &user, answer)
    }
    async fn end_sessions(&mut self, user: String) -> Result<u32, types::Error> {
        let answer = self.capabilities.accounts().end_sessions(&self.session, &user).await;
        self.hear("accounts.end_sessions", &user, answer)
    }
}

impl services::Host for State {
    async fn restart(&mut self, unit: String) -> Result<(), types::Error> {
        let answer = self.capabilities.services().restart(&self.session, &unit).await;
        self.hear("services.restart", &unit, answer)
    }
    async fn reload(&mut self, unit: String) -> Result<(), types::Error> {
        let answer = self.capabilities.services().reload(&self.session, &unit).await;
        self.hear("services.reload", &unit, answer)
    }
    async fn start(&mut self, unit: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.services().start(&self.session, &unit).await;
        self.hear("services.start", &unit, answer)
    }
    async fn stop(&mut self, unit: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.services().stop(&self.session, &unit).await;
        self.hear("services.stop", &unit, answer)
    }
    async fn active(&mut self, unit: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.services().active(&self.session, &unit).await;
        self.hear("services.active", &unit, answer)
    }
}

impl lines::Host for State {
    async fn ensure(&mut self, file: String, line: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.lines().ensure(&self.session, &file, &line).await;
        self.hear("lines.ensure", &file, answer)
    }
    async fn remove(&mut self, file: String, line: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.lines().remove(&self.session, &file, &line).await;
        self.hear("lines.remove", &file, answer)
    }
    async fn contains(&mut self, file: String, line: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.lines().contains(&self.session, &file, &line).await;
        self.hear("lines.contains", &file, answer)
    }
}

impl processes::Host for State {
    async fn running(&mut self, name: String) -> Result<Vec<u32>, types::Error> {
        let answer = self.capabilities.processes().running(&self.session, &name).await;
        self.hear("processes.running", &name, answer)
    }
    async fn kill(&mut self, process: u32, name: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.processes().kill(&self.session, process, &name).await;
        self.hear("processes.kill", &name, answer)
    }
}

impl exec::Host for State {
    async fn run(
        &mut self,
        program: String,
        arguments: Vec<String>,
        input: Vec<u8>,
    ) -> Result<exec::Output, types::Error> {
        let ended = self.capabilities.exec().run(&self.session, &program, arguments, input).await;
        let ended = self.hear("exec.run", &program, ended)?;
        let riposte_capability::exec::Output { status, stdout, stderr, truncated } = ended;
        Ok(exec::Output { status, stdout, stderr, truncated })
    }
}

impl state::Host for State {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, types::Error> {
        let answer = self.capabilities.state().get(&self.session, &key).await;
        self.hear("state.get", &key, answer)
    }
    async fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), types::Error> {
        let answer = self.capabilities.state().set(&self.session, &key, value).await;
        self.hear("state.set", &key, answer)
    }
    async fn remove(&mut self, key: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.state().remove(&self.session, &key).await;
        self.hear("state.remove", &key, answer)
    }
    async fn keys(&mut self, prefix: String) -> Result<Vec<String>, types::Error> {
        let answer = self.capabilities.state().keys(&self.session, &prefix).await;
        self.hear("state.keys", &prefix, answer)
    }
}

impl secret::Host for State {
    async fn get(&mut self, name: String) -> Result<String, types::Error> {
        let answer = self.capabilities.secrets().get(&self.session, &name).await;
        let secret = self.hear("secret.get", &name, answer)?;
        self.log.conceal(&name, secret.reveal());
        Ok(secret.reveal().to_owned())
    }
}

impl quarantine::Host for State {
    async fn put(&mut self, path: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.quarantine().put(&self.session, &path).await;
        self.hear("quarantine.put", &path, answer)
    }
    async fn restore(&mut self, path: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.quarantine().restore(&self.session, &path).await;
        self.hear("quarantine.restore", &path, answer)
    }
    async fn holds(&mut self, path: String) -> Result<bool, types::Error> {
        let answer = self.capabilities.quarantine().holds(&self.session, &path).await;
        self.hear("quarantine.holds", &path, answer)
    }
}

impl isolation::Host for State {
    async fn isolate(&mut self) -> Result<bool, types::Error> {
        let answer = self.capabilities.isolation().isolate(&self.session).await;
        self.hear("isolation.isolate", "host", answer)
    }
    async fn release(&mut self) -> Result<bool, types::Error> {
        let answer = self.capabilities.isolation().release(&self.session).await;
        self.hear("isolation.release", "host", answer)
    }
    async fn isolated(&mut self) -> Result<bool, types::Error> {
        let answer = self.capabilities.isolation().isolated(&self.session).await;
        self.hear("isolation.isolated", "host", answer)
    }
}

impl mail::Host for State {
    async fn send(&mut self, subject: String, text: String) -> Result<(), types::Error> {
        let answer = self.capabilities.mail().send(&self.session, &subject, &text).await;
        self.hear("mail.send", "", answer)
    }
}
