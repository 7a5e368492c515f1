//! What the generated bindings need of a runtime: memory that the host fills,
//! and memory that one call borrows to it.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::null_mut;

pub use crate::__bitflags as bitflags;

/// Memory that holds the arguments of one call, and is freed behind it.
#[derive(Debug)]
pub struct Cleanup {
    memory: *mut u8,
    layout: Layout,
}

impl Cleanup {
    /// Memory of this layout, and what frees it; nothing for an empty layout.
    #[must_use]
    pub fn new(layout: Layout) -> (*mut u8, Option<Self>) {
        if layout.size() == 0 {
            return (null_mut(), None);
        }
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc(layout) };
        if memory.is_null() {
            handle_alloc_error(layout);
        }
        (memory, Some(Self { memory, layout }))
    }

    /// Leaves the memory to whom it was handed over.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, and is freed only here.
        unsafe { dealloc(self.memory, self.layout) }
    }
}

/// Called by the generated code so that [`cabi_realloc`] is linked.
pub fn maybe_link_cabi_realloc() {
    #[cfg(not(target_env = "p2"))]
    {
        #[used]
        static LINKED: unsafe extern "C" fn(*mut u8, usize, usize, usize) -> *mut u8 = cabi_realloc;
    }
}

/// Gives the host memory for what it passes to the component. Where there is
/// WASI, the standard library brings it.
///
/// # Safety
///
/// As the component model asks: `old` is null or was returned for these sizes.
#[cfg(not(target_env = "p2"))]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    if size == 0 {
        // Never read; only aligned and not null.
        return align as *mut u8;
    }
    // SAFETY: the host passes an alignment that is a power of two, and sizes that
    // fit into memory; `old` was allocated here with the same ones.
    let memory = unsafe {
        if old_size == 0 {
            alloc(Layout::from_size_align_unchecked(size, align))
        } else {
            std::alloc::realloc(old, Layout::from_size_align_unchecked(old_size, align), size)
        }
    };
    if memory.is_null() {
        // The component has used up its memory: nothing is left to report with.
        #[cfg(target_arch = "wasm32")]
        core::arch::wasm32::unreachable();
    }
    memory
}

/// Makes the types of flags in the generated code.
#[doc(hidden)]
#[macro_export]
macro_rules! __bitflags {
    (
        $(#[$attribute:meta])*
        $visible:vis struct $name:ident: $bits:ty {
            $($(#[$of_flag:meta])* const $flag:ident = $value:expr;)*
        }
    ) => {
        $(#[$attribute])*
        $visible struct $name($bits);

        impl $name {
            $($(#[$of_flag])* $visible const $flag: Self = Self($value);)*

            $visible fn empty() -> Self {
                Self(0)
            }

            $visible fn from_bits_retain(bits: $bits) -> Self {
                Self(bits)
            }

            $visible fn bits(&self) -> $bits {
                self.0
            }
        }

        impl ::core::ops::BitOr for $name {
            type Output = Self;

            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    };
}
