//! The allocator of the process: mimalloc, under which queries that hold large buffers take a third less time than under glibc's, which
//! gives them back to the system and asks for them again. What it keeps for later is held small where a memory limit is: that is a promise.

use libmimalloc_sys::{mi_option_set_default, mi_option_t, mi_option_use_numa_nodes};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// `mi_option_purge_delay`, for which the crate has no name: in `mimalloc.h` it stands before this one.
const PURGE_DELAY: mi_option_t = mi_option_use_numa_nodes - 1;

/// Milliseconds after which unused pages go back where memory is short. By itself mimalloc waits for 1000, and sorts and joins that spill
/// peak 100 MB higher.
const SOON: i64 = 10;

/// The same where there is room: pages that go back are cleared by the system when they come again, a third of some queries' time.
const LATE: i64 = 1000;

/// Bytes from which on a limit leaves room.
const ROOM: usize = 1 << 30;

/// Pages go back soon, until it is known how much memory there is.
pub(crate) fn begin() {
    purge_after(SOON);
}

/// Pages go back according to the memory that operators may hold.
pub(crate) fn within(limit: usize) {
    purge_after(if limit < ROOM { SOON } else { LATE });
}

/// Sets what is not set by the environment (`MIMALLOC_PURGE_DELAY`).
fn purge_after(milliseconds: i64) {
    #[expect(
        unsafe_code,
        reason = "the option is one of the library's, and any number is allowed"
    )]
    // SAFETY: the option is in the range that the library has, which holds its values in atomics.
    unsafe {
        mi_option_set_default(PURGE_DELAY, milliseconds as _);
    }
}

#[cfg(test)]
mod tests {
    use libmimalloc_sys::mi_option_get;

    use super::*;

    /// Another number would be another option's: the header changed.
    #[test]
    fn the_option_is_the_one_that_is_meant() {
        let read = || {
            #[expect(unsafe_code, reason = "as above")]
            // SAFETY: as above.
            unsafe {
                mi_option_get(PURGE_DELAY)
            }
        };
        if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
            assert_eq!(i64::from(read()), LATE, "the library's own delay");
            begin();
            assert_eq!(i64::from(read()), SOON);
            within(ROOM);
            assert_eq!(i64::from(read()), LATE);
            within(ROOM - 1);
            assert_eq!(i64::from(read()), SOON);
        }
    }
}
