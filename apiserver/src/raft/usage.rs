//! What this process uses, as Linux tells it.

/// Microseconds of a tick of `/proc/self/stat`: Linux shows 100 a second to every program.
const TICK_US: u64 = 10_000;
/// Bytes of `kB`, the unit of `/proc/self/status`.
const KIB: u64 = 1_024;

/// Memory and CPU time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// CPU time since the start in microseconds.
    pub cpu_us: u64,
}

/// Of this process; zero where the system does not tell.
pub fn of_this_process() -> Usage {
    let read = |name| std::fs::read_to_string(name).unwrap_or_default();
    Usage { memory_bytes: memory_bytes(&read("/proc/self/status")), cpu_us: cpu_us(&read("/proc/self/stat")) }
}

fn memory_bytes(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or_default() * KIB
}

fn cpu_us(stat: &str) -> u64 {
    // The program's name, in parentheses, may hold anything; user and system time are fields 14 and 15.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after_name.split_whitespace().skip(11).take(2).filter_map(|number| number.parse::<u64>().ok());
    ticks.sum::<u64>() * TICK_US
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_writes() {
        assert_eq!(memory_bytes("Name:\tx\nVmRSS:\t   2048 kB\nThreads: 3\n"), 2 << 20);
        let stat = "42 (a) b) S 1 2 3 0 -1 4 100 0 0 0 250 50 0 0 20 0 7 0 1000 1 1";
        assert_eq!(cpu_us(stat), 3_000_000);
        assert_eq!((memory_bytes(""), cpu_us("")), (0, 0));
        assert!(of_this_process().memory_bytes > 0);
    }
}
