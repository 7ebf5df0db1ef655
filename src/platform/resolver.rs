//! The resolver of the C library, which reads the environment as well.

/// Makes glibc read RES_OPTIONS and LOCALDOMAIN now, on this thread. glibc keeps the values for all threads
/// until `/etc/resolv.conf` changes. Otherwise the first look-up of a name would read the environment.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn read_environment() {
    // The libc crate does not have these. cbindgen would take declarations outside for functions of the
    // header.
    unsafe extern "C" {
        fn __res_ninit(state: *mut libc::c_void) -> libc::c_int;
        fn __res_nclose(state: *mut libc::c_void);
    }
    /// More than the 568 bytes of a `struct __res_state`, which is a part of glibc's ABI.
    #[repr(C, align(16))]
    struct State([u8; 2048]);
    let mut state = State([0; 2048]);
    let state = (&raw mut state).cast();
    // SAFETY: the state is this function's alone, of zeros, as is asked for, and large enough; it is closed
    // only where it has been made.
    unsafe {
        if __res_ninit(state) == 0 {
            __res_nclose(state);
        }
    }
}

/// Other C libraries read no variables for their resolver.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn read_environment() {}
