//! What a plugin is.

use crate::{Alert, Error};

/// A response that is undone when its time is over.
///
/// Every call runs in a fresh instance: nothing stays in memory between `add`
/// and `delete` but what the receipt holds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `Reversible` response",
    note = "`export!({Self})` needs `impl Reversible for {Self}`; a response that happens once is exported with `export!({Self}: Oneshot)`"
)]
pub trait Reversible {
    /// What this response would act on, in one spelling for one target. Called
    /// first, with every effect refused. The engine does not answer a target
    /// in force twice, and counts its offences. An empty list: not for this
    /// plugin.
    ///
    /// The default is the source address.
    ///
    /// # Errors
    ///
    /// When the alert does not tell.
    fn keys(alert: &Alert) -> Result<Vec<String>, Error> {
        Ok(vec![alert.srcip()?])
    }

    /// Makes the effect and returns the receipt: what [`Reversible::delete`]
    /// needs and the alert does not hold, at most 64 KiB, often nothing. May
    /// be called again; what is done already is a success.
    ///
    /// # Errors
    ///
    /// When the effect was not made.
    fn add(alert: &Alert) -> Result<Vec<u8>, Error>;

    /// Undoes the effect. Must succeed without a receipt, when called twice,
    /// and when there was no `add` before.
    ///
    /// # Errors
    ///
    /// When the effect may still be there; the engine then tries again.
    fn delete(alert: &Alert, receipt: Option<&[u8]>) -> Result<(), Error>;
}

/// A response that happens once and is never undone.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no `Oneshot` response",
    note = "`export!({Self}: Oneshot)` needs `impl Oneshot for {Self}`; a response that is undone is exported with `export!({Self})`"
)]
pub trait Oneshot {
    /// Makes the effect.
    ///
    /// # Errors
    ///
    /// When the effect was not made.
    fn run(alert: &Alert) -> Result<(), Error>;
}

/// Makes the component export a type that is [`Reversible`]: `export!(Block)`, or
/// one that is [`Oneshot`]: `export!(Tell: Oneshot)`.
///
/// A component is of one kind, and a macro cannot ask a type which of the traits it
/// has: so the second kind is named.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        $crate::export!($plugin: Reversible);
    };
    ($plugin:ty: Reversible) => {
        const _: () = {
            const fn is_reversible<T: $crate::Reversible>() {}
            is_reversible::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            // No name that an author's own type could have: `$plugin` is looked up here.
            type __RiposteExported = $crate::bindings::Exported<$plugin>;
            $crate::bindings::reversible::__export_reversible!(__RiposteExported with_types_in $crate::bindings::reversible);
        };
    };
    ($plugin:ty: Oneshot) => {
        const _: () = {
            const fn is_oneshot<T: $crate::Oneshot>() {}
            is_oneshot::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            // No name that an author's own type could have: `$plugin` is looked up here.
            type __RiposteExported = $crate::bindings::Exported<$plugin>;
            $crate::bindings::oneshot::__export_oneshot!(__RiposteExported with_types_in $crate::bindings::oneshot);
        };
    };
    ($plugin:ty: $other:tt) => {
        compile_error!("a response is exported with `export!(Type)`, which is `export!(Type: Reversible)`, or with `export!(Type: Oneshot)`");
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Both;

    impl Reversible for Both {
        fn add(_: &Alert) -> Result<Vec<u8>, Error> {
            Ok(Vec::new())
        }

        fn delete(_: &Alert, _: Option<&[u8]>) -> Result<(), Error> {
            Ok(())
        }
    }

    impl Oneshot for Both {
        fn run(_: &Alert) -> Result<(), Error> {
            Ok(())
        }
    }

    // Natively they only check the type, so that they may stand side by side.
    crate::export!(Both);
    crate::export!(Both: Reversible);
    crate::export!(Both: Oneshot);
}
