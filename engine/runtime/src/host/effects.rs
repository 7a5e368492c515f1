//! Forwards to the capabilities: who may what is decided there.

use riposte_capability::rehearsal::{Said, Value};
use riposte_capability::{Capabilities, Refusal, Session};

use crate::bindings::{
    accounts, exec, firewall, isolation, lines, mail, processes, quarantine, routes, secret, services, state,
    types,
};
use crate::state::State;

/// One call of a component on its way: to the rehearsal where there is one,
/// else to the capability, whose future is not begun before; what that denied
/// becomes an event. `target` is what the event names.
async fn ask<T: Value>(
    (capabilities, session): (&Capabilities, &Session),
    call: &str,
    target: &str,
    arguments: &[&[u8]],
    answer: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, types::Error> {
    if let Some(rehearsal) = capabilities.rehearsal() {
        return Ok(rehearsal.call(session, call, arguments)?);
    }
    Ok(capabilities.hear(session, call, target, answer.await)?)
}

impl State {
    /// Who is asked, and for whom.
    fn asked(&self) -> (&Capabilities, &Session) {
        (&self.capabilities, &self.session)
    }
}

impl From<Said> for types::Error {
    fn from(Said { kind, message, retry }: Said) -> Self {
        Self { kind, message, retry }
    }
}

impl firewall::Host for State {
    async fn block(&mut self, address: String) -> Result<bool, types::Error> {
        let firewall = self.capabilities.firewall();
        let answer = firewall.block(&self.session, &address);
        ask(self.asked(), "firewall.block", &address, &[address.as_bytes()], answer).await
    }
    async fn unblock(&mut self, address: String) -> Result<bool, types::Error> {
        let firewall = self.capabilities.firewall();
        let answer = firewall.unblock(&self.session, &address);
        ask(self.asked(), "firewall.unblock", &address, &[address.as_bytes()], answer).await
    }
    async fn blocked(&mut self, address: String) -> Result<bool, types::Error> {
        let firewall = self.capabilities.firewall();
        let answer = firewall.blocked(&self.session, &address);
        ask(self.asked(), "firewall.blocked", &address, &[address.as_bytes()], answer).await
    }
}

impl routes::Host for State {
    async fn blackhole(&mut self, address: String) -> Result<bool, types::Error> {
        let routes = self.capabilities.routes();
        let answer = routes.blackhole(&self.session, &address);
        ask(self.asked(), "routes.blackhole", &address, &[address.as_bytes()], answer).await
    }
    async fn restore(&mut self, address: String) -> Result<bool, types::Error> {
        let routes = self.capabilities.routes();
        let answer = routes.restore(&self.session, &address);
        ask(self.asked(), "routes.restore", &address, &[address.as_bytes()], answer).await
    }
    async fn blackholed(&mut self, address: String) -> Result<bool, types::Error> {
        let routes = self.capabilities.routes();
        let answer = routes.blackholed(&self.session, &address);
        ask(self.asked(), "routes.blackholed", &address, &[address.as_bytes()], answer).await
    }
}

impl accounts::Host for State {
    async fn lock(&mut self, user: String) -> Result<bool, types::Error> {
        let accounts = self.capabilities.accounts();
        let answer = accounts.lock(&self.session, &user);
        ask(self.asked(), "accounts.lock", &user, &[user.as_bytes()], answer).await
    }
    async fn unlock(&mut self, user: String) -> Result<bool, types::Error> {
        let accounts = self.capabilities.accounts();
        let answer = accounts.unlock(&self.session, &user);
        ask(self.asked(), "accounts.unlock", &user, &[user.as_bytes()], answer).await
    }
    async fn locked(&mut self, user: String) -> Result<bool, types::Error> {
        let accounts = self.capabilities.accounts();
        let answer = accounts.locked(&self.session, &user);
        ask(self.asked(), "accounts.locked", &user, &[user.as_bytes()], answer).await
    }
    async fn end_sessions(&mut self, user: String) -> Result<u32, types::Error> {
        let accounts = self.capabilities.accounts();
        let answer = accounts.end_sessions(&self.session, &user);
        ask(self.asked(), "accounts.end-sessions", &user, &[user.as_bytes()], answer).await
    }
}

impl services::Host for State {
    async fn restart(&mut self, unit: String) -> Result<(), types::Error> {
        let services = self.capabilities.services();
        let answer = services.restart(&self.session, &unit);
        ask(self.asked(), "services.restart", &unit, &[unit.as_bytes()], answer).await
    }
    async fn reload(&mut self, unit: String) -> Result<(), types::Error> {
        let services = self.capabilities.services();
        let answer = services.reload(&self.session, &unit);
        ask(self.asked(), "services.reload", &unit, &[unit.as_bytes()], answer).await
    }
    async fn start(&mut self, unit: String) -> Result<bool, types::Error> {
        let services = self.capabilities.services();
        let answer = services.start(&self.session, &unit);
        ask(self.asked(), "services.start", &unit, &[unit.as_bytes()], answer).await
    }
    async fn stop(&mut self, unit: String) -> Result<bool, types::Error> {
        let services = self.capabilities.services();
        let answer = services.stop(&self.session, &unit);
        ask(self.asked(), "services.stop", &unit, &[unit.as_bytes()], answer).await
    }
    async fn active(&mut self, unit: String) -> Result<bool, types::Error> {
        let services = self.capabilities.services();
        let answer = services.active(&self.session, &unit);
        ask(self.asked(), "services.active", &unit, &[unit.as_bytes()], answer).await
    }
}

impl lines::Host for State {
    async fn ensure(&mut self, file: String, line: String) -> Result<bool, types::Error> {
        let lines = self.capabilities.lines();
        let answer = lines.ensure(&self.session, &file, &line);
        ask(self.asked(), "lines.ensure", &file, &[file.as_bytes(), line.as_bytes()], answer).await
    }
    async fn remove(&mut self, file: String, line: String) -> Result<bool, types::Error> {
        let lines = self.capabilities.lines();
        let answer = lines.remove(&self.session, &file, &line);
        ask(self.asked(), "lines.remove", &file, &[file.as_bytes(), line.as_bytes()], answer).await
    }
    async fn contains(&mut self, file: String, line: String) -> Result<bool, types::Error> {
        let lines = self.capabilities.lines();
        let answer = lines.contains(&self.session, &file, &line);
        ask(self.asked(), "lines.contains", &file, &[file.as_bytes(), line.as_bytes()], answer).await
    }
}

impl processes::Host for State {
    async fn running(&mut self, name: String) -> Result<Vec<u32>, types::Error> {
        let processes = self.capabilities.processes();
        let answer = processes.running(&self.session, &name);
        ask(self.asked(), "processes.running", &name, &[name.as_bytes()], answer).await
    }
    async fn kill(&mut self, process: u32, name: String) -> Result<bool, types::Error> {
        let processes = self.capabilities.processes();
        let answer = processes.kill(&self.session, process, &name);
        ask(self.asked(), "processes.kill", &name, &[process.to_string().as_bytes(), name.as_bytes()], answer)
            .await
    }
}

impl exec::Host for State {
    async fn run(
        &mut self,
        program: String,
        arguments: Vec<String>,
        input: Vec<u8>,
    ) -> Result<exec::Output, types::Error> {
        let ended = if let Some(rehearsal) = self.capabilities.rehearsal() {
            let words: Vec<_> = [&program].into_iter().chain(&arguments).map(String::as_bytes).collect();
            rehearsal.call(&self.session, "exec.run", &words)?
        } else {
            let ended = self.capabilities.exec().run(&self.session, &program, arguments, input).await;
            self.capabilities.hear(&self.session, "exec.run", &program, ended)?
        };
        let riposte_capability::exec::Output { status, stdout, stderr, truncated } = ended;
        Ok(exec::Output { status, stdout, stderr, truncated })
    }
}

impl state::Host for State {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, types::Error> {
        let state = self.capabilities.state();
        let answer = state.get(&self.session, &key);
        ask(self.asked(), "state.get", &key, &[key.as_bytes()], answer).await
    }
    async fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), types::Error> {
        if let Some(rehearsal) = self.capabilities.rehearsal() {
            return Ok(rehearsal.call(&self.session, "state.set", &[key.as_bytes(), &value])?);
        }
        let answer = self.capabilities.state().set(&self.session, &key, value).await;
        Ok(self.capabilities.hear(&self.session, "state.set", &key, answer)?)
    }
    async fn remove(&mut self, key: String) -> Result<bool, types::Error> {
        let state = self.capabilities.state();
        let answer = state.remove(&self.session, &key);
        ask(self.asked(), "state.remove", &key, &[key.as_bytes()], answer).await
    }
    async fn keys(&mut self, prefix: String) -> Result<Vec<String>, types::Error> {
        let state = self.capabilities.state();
        let answer = state.keys(&self.session, &prefix);
        ask(self.asked(), "state.keys", &prefix, &[prefix.as_bytes()], answer).await
    }
}

impl secret::Host for State {
    async fn get(&mut self, name: String) -> Result<String, types::Error> {
        let secrets = self.capabilities.secrets();
        let answer = secrets.get(&self.session, &name);
        let secret = ask(self.asked(), "secret.get", &name, &[name.as_bytes()], answer).await?;
        self.log.conceal(&name, secret.reveal());
        Ok(secret.reveal().to_owned())
    }
}

impl quarantine::Host for State {
    async fn put(&mut self, path: String) -> Result<bool, types::Error> {
        let quarantine = self.capabilities.quarantine();
        let answer = quarantine.put(&self.session, &path);
        ask(self.asked(), "quarantine.put", &path, &[path.as_bytes()], answer).await
    }
    async fn restore(&mut self, path: String) -> Result<bool, types::Error> {
        let quarantine = self.capabilities.quarantine();
        let answer = quarantine.restore(&self.session, &path);
        ask(self.asked(), "quarantine.restore", &path, &[path.as_bytes()], answer).await
    }
    async fn holds(&mut self, path: String) -> Result<bool, types::Error> {
        let quarantine = self.capabilities.quarantine();
        let answer = quarantine.holds(&self.session, &path);
        ask(self.asked(), "quarantine.holds", &path, &[path.as_bytes()], answer).await
    }
}

impl isolation::Host for State {
    async fn isolate(&mut self) -> Result<bool, types::Error> {
        let isolation = self.capabilities.isolation();
        let answer = isolation.isolate(&self.session);
        ask(self.asked(), "isolation.isolate", "host", &[b"host"], answer).await
    }
    async fn release(&mut self) -> Result<bool, types::Error> {
        let isolation = self.capabilities.isolation();
        let answer = isolation.release(&self.session);
        ask(self.asked(), "isolation.release", "host", &[b"host"], answer).await
    }
    async fn isolated(&mut self) -> Result<bool, types::Error> {
        let isolation = self.capabilities.isolation();
        let answer = isolation.isolated(&self.session);
        ask(self.asked(), "isolation.isolated", "host", &[b"host"], answer).await
    }
}

impl mail::Host for State {
    async fn send(&mut self, subject: String, text: String) -> Result<(), types::Error> {
        let mail = self.capabilities.mail();
        let answer = mail.send(&self.session, &subject, &text);
        ask(self.asked(), "mail.send", "", &[subject.as_bytes(), text.as_bytes()], answer).await
    }
}
