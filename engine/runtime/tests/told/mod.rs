//! A backend that does all it is told, and writes it down.

use std::sync::Mutex;

use async_trait::async_trait;
use riposte_capability::accounts::{Account, Sessions};
use riposte_capability::processes::ProgramName;
use riposte_capability::{Refusal, held, processes};
use riposte_policy::user::UserName;

/// Does whatever it is told to whatever target, and remembers the targets.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<String>>);

impl Told {
    pub(crate) fn told(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn tell(&self, target: impl Into<String>) {
        self.0.lock().unwrap().push(target.into());
    }
}

#[async_trait]
impl held::Backend for Told {
    async fn prior(&self, target: &str) -> Result<String, Refusal> {
        self.tell(target);
        Ok(String::new())
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        self.tell(target);
        Ok(true)
    }

    async fn restore(&self, target: &str, _: &str) -> Result<(), Refusal> {
        self.tell(target);
        Ok(())
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Whoever is asked for exists.
#[async_trait]
impl Sessions for Told {
    async fn account(&self, user: &UserName) -> Result<Account, Refusal> {
        self.tell(user.as_str());
        Ok(Account { uid: 1500, names: vec![user.clone()] })
    }

    async fn end(&self, _: u32) -> Result<u32, Refusal> {
        Ok(1)
    }
}

/// Whatever is asked for runs, as 4711.
#[async_trait]
impl processes::Backend for Told {
    async fn running(&self, name: &ProgramName) -> Result<Vec<u32>, Refusal> {
        self.tell(format!("running {name}"));
        Ok(vec![4711])
    }

    async fn kill(&self, process: u32, name: &ProgramName) -> Result<bool, Refusal> {
        self.tell(format!("{process} {name}"));
        Ok(true)
    }

    async fn probe(&self) -> Result<(), Refusal> {
        Ok(())
    }
}
