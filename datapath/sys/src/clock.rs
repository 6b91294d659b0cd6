/// Nanoseconds of the monotonic clock. It runs on while a process is stopped, and is the same for all processes of a
/// machine.
pub fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec for the kernel to write to; CLOCK_MONOTONIC always exists.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    assert_eq!(result, 0, "CLOCK_MONOTONIC cannot be read");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
