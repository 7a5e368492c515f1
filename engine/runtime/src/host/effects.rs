//! Forwards to the capabilities: who may what is decided there.

use crate::bindings::{
    accounts, exec, firewall, isolation, lines, mail, processes, quarantine, routes, secret, services, state,
    types,
};
use crate::state::State;

impl firewall::Host for State {
    async fn block(&mut self, address: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.firewall().block(&self.session, &address).await?)
    }
    async fn unblock(&mut self, address: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.firewall().unblock(&self.session, &address).await?)
    }
    async fn blocked(&mut self, address: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.firewall().blocked(&self.session, &address).await?)
    }
}

impl routes::Host for State {
    async fn blackhole(&mut self, address: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.routes().blackhole(&self.session, &address).await?)
    }
    async fn restore(&mut self, address: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.routes().restore(&self.session, &address).await?)
    }
    async fn blackholed(&mut self, address: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.routes().blackholed(&self.session, &address).await?)
    }
}

impl accounts::Host for State {
    async fn lock(&mut self, user: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.accounts().lock(&self.session, &user).await?)
    }
    async fn unlock(&mut self, user: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.accounts().unlock(&self.session, &user).await?)
    }
    async fn locked(&mut self, user: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.accounts().locked(&self.session, &user).await?)
    }
    async fn end_sessions(&mut self, user: String) -> Result<u32, types::Error> {
        Ok(self.capabilities.accounts().end_sessions(&self.session, &user).await?)
    }
}

impl services::Host for State {
    async fn restart(&mut self, unit: String) -> Result<(), types::Error> {
        Ok(self.capabilities.services().restart(&self.session, &unit).await?)
    }
    async fn reload(&mut self, unit: String) -> Result<(), types::Error> {
        Ok(self.capabilities.services().reload(&self.session, &unit).await?)
    }
    async fn start(&mut self, unit: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.services().start(&self.session, &unit).await?)
    }
    async fn stop(&mut self, unit: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.services().stop(&self.session, &unit).await?)
    }
    async fn active(&mut self, unit: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.services().active(&self.session, &unit).await?)
    }
}

impl lines::Host for State {
    async fn ensure(&mut self, file: String, line: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.lines().ensure(&self.session, &file, &line).await?)
    }
    async fn remove(&mut self, file: String, line: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.lines().remove(&self.session, &file, &line).await?)
    }
    async fn contains(&mut self, file: String, line: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.lines().contains(&self.session, &file, &line).await?)
    }
}

impl processes::Host for State {
    async fn running(&mut self, name: String) -> Result<Vec<u32>, types::Error> {
        Ok(self.capabilities.processes().running(&self.session, &name).await?)
    }
    async fn kill(&mut self, process: u32, name: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.processes().kill(&self.session, process, &name).await?)
    }
}

impl exec::Host for State {
    async fn run(
        &mut self,
        program: String,
        arguments: Vec<String>,
        input: Vec<u8>,
    ) -> Result<exec::Output, types::Error> {
        let ended = self.capabilities.exec().run(&self.session, &program, arguments, input).await?;
        let riposte_capability::exec::Output { status, stdout, stderr, truncated } = ended;
        Ok(exec::Output { status, stdout, stderr, truncated })
    }
}

impl state::Host for State {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, types::Error> {
        Ok(self.capabilities.state().get(&self.session, &key).await?)
    }
    async fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), types::Error> {
        Ok(self.capabilities.state().set(&self.session, &key, value).await?)
    }
    async fn remove(&mut self, key: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.state().remove(&self.session, &key).await?)
    }
    async fn keys(&mut self, prefix: String) -> Result<Vec<String>, types::Error> {
        Ok(self.capabilities.state().keys(&self.session, &prefix).await?)
    }
}

impl secret::Host for State {
    async fn get(&mut self, name: String) -> Result<String, types::Error> {
        let secret = self.capabilities.secrets().get(&self.session, &name).await?;
        self.log.conceal(&name, secret.reveal());
        Ok(secret.reveal().to_owned())
    }
}

impl quarantine::Host for State {
    async fn put(&mut self, path: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.quarantine().put(&self.session, &path).await?)
    }
    async fn restore(&mut self, path: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.quarantine().restore(&self.session, &path).await?)
    }
    async fn holds(&mut self, path: String) -> Result<bool, types::Error> {
        Ok(self.capabilities.quarantine().holds(&self.session, &path).await?)
    }
}

impl isolation::Host for State {
    async fn isolate(&mut self) -> Result<bool, types::Error> {
        Ok(self.capabilities.isolation().isolate(&self.session).await?)
    }
    async fn release(&mut self) -> Result<bool, types::Error> {
        Ok(self.capabilities.isolation().release(&self.session).await?)
    }
    async fn isolated(&mut self) -> Result<bool, types::Error> {
        Ok(self.capabilities.isolation().isolated(&self.session).await?)
    }
}

impl mail::Host for State {
    async fn send(&mut self, subject: String, text: String) -> Result<(), types::Error> {
        Ok(self.capabilities.mail().send(&self.session, &subject, &text).await?)
    }
}
