//! What the components of `examples/` share.

pub use riposte_sdk;

/// A component that asks one capability for whatever the alert says: which
/// function (`/data/call`), with which texts (`/data/a`, `/data/b`), and
/// whether already in `keys`, where nothing may be done (`/data/early`). What
/// was answered is its receipt, or its error.
#[macro_export]
macro_rules! ask {
    ($($call:literal => |$a:ident, $b:ident| $answer:expr;)+) => {
        struct Asks;

        impl Asks {
            fn ask(alert: &$crate::riposte_sdk::Alert) -> Result<Vec<u8>, $crate::riposte_sdk::Error> {
                let text = |name: &str| alert.text(name).unwrap_or_default();
                let (a, b) = (text("/data/a"), text("/data/b"));
                match &*text("/data/call") {
                    $($call => {
                        let ($a, $b) = (&*a, &*b);
                        let _ = ($a, $b);
                        Ok(format!("{:?}", $answer?).into_bytes())
                    })+
                    other => Err($crate::riposte_sdk::Error::failed(format!("no call {other}"))),
                }
            }
        }

        impl $crate::riposte_sdk::Reversible for Asks {
            fn keys(alert: &$crate::riposte_sdk::Alert) -> Result<Vec<String>, $crate::riposte_sdk::Error> {
                if alert.text("/data/early").is_some() {
                    Self::ask(alert)?;
                }
                Ok(vec![alert.text("/id").unwrap_or_default()])
            }

            fn add(alert: &$crate::riposte_sdk::Alert) -> Result<Vec<u8>, $crate::riposte_sdk::Error> {
                Self::ask(alert)
            }

            fn delete(_: &$crate::riposte_sdk::Alert, _: Option<&[u8]>) -> Result<(), $crate::riposte_sdk::Error> {
                // The engine takes back what was recorded.
                Ok(())
            }
        }

        $crate::riposte_sdk::export!(Asks);
    };
}
